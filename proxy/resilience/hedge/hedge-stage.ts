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
  /** What stands between each try and its upstream: each hedge is one more request to it. */
  readonly inner: readonly Stage[];
  /** Whether somebody else counts requests in the budget: retries do, where there are any. */
  readonly hasRetries: boolean;
}

/** Sends requests to a second endpoint when the first is slow. It acquires several connections for one request, so what stands below is its own. */
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
    return new HedgedRequest({ upstream, head, observed }, this.#rules, this.#context);
  }
}

interface Asked {
  readonly upstream: Upstream;
  readonly head: RequestHead;
  readonly observed: Observation | undefined;
}

/** One request: its tries come one after another, each with its hedges, of which there are so many for all tries together. */
export class HedgedRequest implements Upstream {
  readonly rules: HedgeRules;
  readonly context: StageContext;
  readonly observed: Observation | undefined;
  /** Endpoints that it was, or is about to be, sent to. */
  readonly used: object[] = [];
  hedgesLeft: number;
  readonly #upstream: Upstream;
  readonly #head: RequestHead;
  #group: HedgeGroup | undefined;

  constructor({ upstream, head, observed }: Asked, rules: HedgeRules, context: StageContext) {
    this.#upstream = upstream;
    this.#head = head;
    this.observed = observed;
    this.rules = rules;
    this.context = context;
    this.hedgesLeft = rules.config.maxAttempts - 1;
  }

  /** Where one more try goes. */
  upstreamOfTry(): Upstream {
    let upstream = this.#upstream;
    for (const stage of this.rules.inner) upstream = stage.before(upstream, this.#head, this.observed);
    return upstream;
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
