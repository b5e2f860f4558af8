import { Exchange } from "../../../proxy/exchange/exchange.ts";
import type { Upstream } from "../../../proxy/exchange/ends.ts";
import { Deadlines } from "../../../proxy/exchange/deadlines.ts";
import type { Decision, RequestPolicy, Stage } from "../../../proxy/exchange/policy.ts";
import { PassThrough } from "../../../proxy/exchange/stage.ts";
import { LimitedResponse } from "../../../proxy/resilience/fault/limited-response.ts";
import { type HedgeRules, HedgeStage } from "../../../proxy/resilience/hedge/hedge-stage.ts";
import { MirrorStage } from "../../../proxy/resilience/mirror/mirror-stage.ts";
import { RetryBudget } from "../../../proxy/resilience/retry-budget.ts";
import type { StageContext } from "../../../proxy/resilience/stage-context.ts";
import { StageCounters } from "../../../proxy/resilience/stage-counters.ts";
import { HttpCounters } from "../../../proxy/telemetry/http-counters.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

/**
 * Loaded before a run of tests (`bun test --preload`): every request of theirs then goes through stages that change nothing, two that are
 * made for that and one of each kind whose time never comes. What the tests say of exchanges has to hold all the same.
 */
const clock = createVirtualClock(0);
const context: StageContext = {
  clock,
  deadlines: new Deadlines(clock),
  random: () => 0,
  memory: { heldBytes: 0, isOverloaded: false },
  requests: new HttpCounters(),
  counters: new StageCounters(),
};
const unreachable: Upstream = { acquire: () => undefined, cancel: () => undefined };
const mirror = {
  cluster: "nowhere",
  percent: 100,
  disableShadowHostSuffixAppend: false,
  timeoutMs: 1_000,
  maxConcurrent: 1_000_000,
};
const hedge: HedgeRules = {
  config: { delayMs: 1_000, maxAttempts: 2, methods: ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"] },
  budget: new RetryBudget(() => 0),
  budgetConfig: { percent: 0, minConcurrent: 0, minPerSecond: 0 },
  inner: [{ before: identity }],
  hasRetries: false,
};
const stages: readonly Stage[] = [
  new HedgeStage(hedge, context),
  { before: identity },
  new MirrorStage(mirror, unreachable, context),
  { before: identity },
  { before: LimitedResponse.stage(10_000_000, { active: 0 }, context) },
];
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
