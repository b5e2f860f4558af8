import type { HedgeConfig } from "../../../lib/contract/proxy-hedge.ts";
import type { RetryBudgetConfig } from "../../../lib/contract/proxy-resilience.ts";
import type { Upstream, UpstreamWaiter } from "../../exchange/ends.ts";
import type { Observation } from "../../exchange/observation.ts";
import type { Stage } from "../../exchange/policy.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { RetryBudget } from "../retry-budget.ts";
import type { StageContext } from "../stage-context.ts";
import { HedgeGroup } from "./hedge-group.ts";

/** What the hedges of one route to one cluster go by. */
export interface HedgeRules {
  readonly config: HedgeConfig;
  readonly budget: RetryBudget;
  readonly budgetConfig: RetryBudgetConfig;
  /** Whether somebody else counts requests in the budget: retries do, where there are any. */
  readonly hasRetries: boolean;
}

/** Sends requests to a second endpoint when the first is slow. The innermost stage: it acquires several connections for one request. */
export class HedgeStage implements Stage {
  readonly #rules: HedgeRules;
  readonly #methods: ReadonlySet<string>;
  readonly #context: StageContext;

  constructor(rules: HedgeRules, context: StageContext) {
    this.#rules = rules;
    this.#methods = new Set(rules.config.methods);
    this.#context = context;
  }

  get config(): HedgeConfig {
    return this.#rules.config;
  }

  before(upstream: Upstream, head: RequestHead, observed?: Observation): Upstream {
    if (head.isConnect || !this.#methods.has(head.method)) return upstream;
    return new HedgedRequest(upstream, this.#rules, this.#context, observed);
  }
}

/** One request: its tries come one after another, each with its hedges, of which there are so many for all tries together. */
export class HedgedRequest implements Upstream {
  readonly upstream: Upstream;
  readonly rules: HedgeRules;
  readonly context: StageContext;
  readonly observed: Observation | undefined;
  /** Endpoints that it was, or is about to be, sent to. */
  readonly used: object[] = [];
  hedgesLeft: number;
  #group: HedgeGroup | undefined;

  constructor(upstream: Upstream, rules: HedgeRules, context: StageContext, observed: Observation | undefined) {
    this.upstream = upstream;
    this.rules = rules;
    this.context = context;
    this.observed = observed;
    this.hedgesLeft = rules.config.maxAttempts - 1;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried: readonly object[] = []): void {
    const passedOver = tried.length === 0 ? tried : [...tried, ...this.used];
    this.#group = new HedgeGroup(this, waiter);
    this.#group.begin(wantsFresh, passedOver);
  }

  cancel(): void {
    this.#group?.cancel();
  }
}
