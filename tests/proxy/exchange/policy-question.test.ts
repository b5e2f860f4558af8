import { expect, test } from "bun:test";
import { refusal } from "../../../proxy/exchange/local-reply.ts";
import { afterForward, type Decision, type RequestPolicy, type Waiting } from "../../../proxy/exchange/policy.ts";
import { type Decided, PolicyQuestion } from "../../../proxy/exchange/policy-question.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";

const denial = refusal(403, "no", "denied");

function head(): RequestHead {
  const made = checkRequest(new FieldBlock([":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"]));
  if (!(made instanceof RequestHead)) throw new Error("not a request");
  return made;
}

/** A policy that puts requests off until `settle` and notes how often it was asked. */
class Slow implements RequestPolicy {
  asked = 0;
  cancelled = 0;
  settle: () => void = () => undefined;
  readonly #resume: (() => Decision) | undefined;

  constructor(resume?: () => Decision) {
    this.#resume = resume;
  }

  decide(): Decision {
    if (this.asked++ > 0) return denial;
    const settled = new Promise<void>((resolve) => {
      this.settle = resolve;
    });
    const waiting: Waiting = { action: "wait", settled, cancel: () => this.cancelled++ };
    return this.#resume === undefined ? waiting : { ...waiting, resume: this.#resume };
  }
}

function ask(policy: RequestPolicy): { question: PolicyQuestion; answers: Decided[] } {
  const answers: Decided[] = [];
  const question = new PolicyQuestion(policy, head());
  question.ask({ onDecided: (decided) => answers.push(decided) });
  return { question, answers };
}

test("a policy that waits is asked again once it is settled", async () => {
  const policy = new Slow();
  const { answers } = ask(policy);
  expect(answers).toEqual([]);
  policy.settle();
  await Bun.sleep(0);
  expect(answers).toEqual([denial]);
  expect(policy.asked).toBe(2);
});

test("a policy that says how to go on is not asked again", async () => {
  const policy = new Slow(() => denial);
  const { answers } = ask(policy);
  policy.settle();
  await Bun.sleep(0);
  expect(answers).toEqual([denial]);
  expect(policy.asked).toBe(1);
});

test("a request that is over calls off what it waits for and hears nothing more", async () => {
  const policy = new Slow();
  const { question, answers } = ask(policy);
  question.end();
  policy.settle();
  await Bun.sleep(0);
  expect(answers).toEqual([]);
  expect(policy.asked).toBe(1);
  expect(policy.cancelled).toBe(1);
});

test("a request under way is reconsidered without being decided again", () => {
  const replies: unknown[] = [];
  let decided = 0;
  const policy: RequestPolicy = {
    decide: () => {
      decided++;
      return denial;
    },
    reconsider: () => denial,
  };
  new PolicyQuestion(policy, head()).recheck((reply) => replies.push(reply));
  expect(replies).toEqual([denial]);
  expect(decided).toBe(0);
});

test("a policy before another one has its say when the other one's wait is over", async () => {
  const inner = new Slow(() => ({ action: "forward", upstream: { acquire() {}, cancel() {} }, head: head() }));
  const { answers } = ask({
    decide: (one) =>
      afterForward(
        inner.decide(),
        () => denial,
        () => outer(one),
      ),
  });
  const outer = (_one: RequestHead): Decision => denial;
  inner.settle();
  await Bun.sleep(0);
  expect(answers).toEqual([denial]);
  expect(inner.asked).toBe(1);
});
