import { Exchange } from "../../../proxy/exchange/exchange.ts";
import type { Upstream } from "../../../proxy/exchange/ends.ts";
import type { Decision, RequestPolicy } from "../../../proxy/exchange/policy.ts";
import { PassThrough } from "../../../proxy/exchange/stage.ts";

/**
 * Loaded before a run of tests (`bun test --preload`): every request of theirs then goes through two stages that change nothing. What
 * the tests say of exchanges has to hold all the same.
 */
const stages = [{ before: identity }, { before: identity }];
const { start } = Exchange.prototype;

Exchange.prototype.start = function startStaged(head, isEnd, policy) {
  start.call(this, head, isEnd, stagedPolicy(policy));
};

function stagedPolicy(policy: RequestPolicy): RequestPolicy {
  const reconsider = policy.reconsider?.bind(policy);
  return {
    decide: (head) => staged(policy.decide(head)),
    ...(reconsider === undefined ? {} : { reconsider: (head) => staged(reconsider(head)) }),
  };
}

function staged(decision: Decision): Decision {
  if (decision.action === "reply") return decision;
  if (decision.action === "forward") {
    const { policy = { timeoutMs: 0, retry: undefined } } = decision;
    return { ...decision, policy: { ...policy, stages: [...stages, ...(policy.stages ?? [])] } };
  }
  const { resume } = decision;
  return resume === undefined ? decision : { ...decision, resume: () => staged(resume()) };
}

function identity(upstream: Upstream): PassThrough {
  return new PassThrough(upstream);
}
