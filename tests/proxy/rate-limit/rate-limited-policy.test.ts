import { expect, test } from "bun:test";
import { refusal } from "../../../proxy/exchange/local-reply.ts";
import type { Decision, RequestPolicy } from "../../../proxy/exchange/policy.ts";
import { PolicyQuestion } from "../../../proxy/exchange/policy-question.ts";
import { RateLimitedPolicy } from "../../../proxy/rate-limit/rate-limited-policy.ts";
import { request } from "../routing/requests.ts";
import { LimitsWorld, uri } from "./limits-world.ts";

const head = request("/");
const forward: Decision = { action: "forward", upstream: { acquire() {}, cancel() {} }, head };
const denial = refusal(403, "no", "denied");

function statusOf(decision: Decision): number | string {
  return decision.action === "reply" ? decision.status : decision.action;
}

function limited(world: LimitsWorld, inner: RequestPolicy): RateLimitedPolicy {
  return new RateLimitedPolicy(inner, world.limits, uri("web"));
}

test("what the policy behind it answers itself uses up nothing", () => {
  const world = new LimitsWorld({ requestsPerSecond: 1 });
  let decision: Decision = denial;
  const policy = limited(world, { decide: () => decision });
  for (let i = 0; i < 5; i++) expect(policy.decide(head)).toBe(denial);
  decision = forward;
  expect([policy.decide(head), policy.decide(head)].map(statusOf)).toEqual(["forward", 429]);
});

test("a request that waits for its policy is counted when that forwards it, and once", async () => {
  const world = new LimitsWorld({ requestsPerSecond: 1 });
  let resolve = (): void => undefined;
  const settled = new Promise<void>((done) => {
    resolve = done;
  });
  for (const resume of [() => forward, undefined]) {
    let isSettled = false;
    const waiting: Decision = { action: "wait", settled, ...(resume && { resume }) };
    const policy = limited(world, { decide: () => (isSettled ? forward : waiting) });
    const seen: (number | string)[] = [];
    const ask = () => new PolicyQuestion(policy, head).ask({ onDecided: (decided) => seen.push(statusOf(decided)) });
    ask();
    ask();
    expect(world.limits.counts.allowed.listener).toBe(resume === undefined ? 1 : 0);
    isSettled = true;
    resolve();
    await settled;
    await Promise.resolve();
    expect(seen).toEqual(["forward", 429]);
    world.nowMs += 1_000;
  }
});

test("a request under way that is looked at again uses up nothing, and may be denied", () => {
  const world = new LimitsWorld({ requestsPerSecond: 2 });
  let decision: Decision = forward;
  const policy = limited(world, { decide: () => decision });
  const replies: unknown[] = [];
  const question = new PolicyQuestion(policy, head);
  question.ask({ onDecided: () => undefined });
  for (let i = 0; i < 9; i++) question.recheck((reply) => replies.push(reply));
  expect(replies).toEqual([]);
  expect([policy.decide(head), policy.decide(head)].map(statusOf)).toEqual(["forward", 429]);
  decision = denial;
  question.recheck((reply) => replies.push(reply));
  expect(replies).toEqual([denial]);
  const ownWords = limited(world, { decide: () => forward, reconsider: () => denial });
  expect(ownWords.reconsider(head)).toBe(denial);
});

test("a connection that stands has the limits of the moment", () => {
  const world = new LimitsWorld({});
  const policy = limited(world, { decide: () => forward });
  expect(policy.decide(head)).toBe(forward);
  const overrides = [{ source: uri("web"), requestsPerSecond: 1 }];
  world.update({ perIdentity: { requestsPerSecond: 100, overrides } });
  expect([policy.decide(head), policy.decide(head)].map(statusOf)).toEqual(["forward", 429]);
  world.update({ perIdentity: { requestsPerSecond: 3 } });
  expect([1, 2, 3, 4].map(() => statusOf(policy.decide(head)))).toEqual(["forward", "forward", "forward", 429]);
  world.update({});
  expect(policy.decide(head)).toBe(forward);
});

test("a rate that is next to nothing asks for a year, not for a number that nobody can read", () => {
  const world = new LimitsWorld({ requestsPerSecond: 1e-300, fields: "ratelimit" });
  const policy = limited(world, { decide: () => forward });
  policy.decide(head);
  expect(policy.decide(head)).toMatchObject({
    fields: [
      ...["x-envoy-ratelimited", "true", "retry-after", "31536000"],
      ...["ratelimit-policy", '"listener";q=1;w=31536000', "ratelimit", '"listener";r=0;t=31536000'],
    ],
  });
});

test("the same answer is given to all that have as long to wait, and another to those that wait longer", () => {
  const world = new LimitsWorld({ requestsPerSecond: 0.01 });
  const policy = limited(world, { decide: () => forward });
  policy.decide(head);
  expect(policy.decide(head)).toMatchObject({ fields: ["x-envoy-ratelimited", "true", "retry-after", "100"] });
  world.nowMs += 98_500;
  const soon = policy.decide(head);
  expect(soon).toMatchObject({ fields: ["x-envoy-ratelimited", "true", "retry-after", "2"], reason: "rate_limited" });
  expect(policy.decide(head)).toBe(soon);
  world.nowMs += 1_000;
  expect(policy.decide(head)).toMatchObject({ fields: ["x-envoy-ratelimited", "true", "retry-after", "1"] });
});
