import { isDeepStrictEqual } from "node:util";
import type { FaultConfig } from "../../lib/contract/proxy-fault.ts";
import type { HedgeConfig } from "../../lib/contract/proxy-hedge.ts";
import type { MirrorConfig } from "../../lib/contract/proxy-mirror.ts";
import type { RetryConfig } from "../../lib/contract/proxy-resilience.ts";
import type { Upstream } from "../exchange/ends.ts";
import type { Gate, Stage } from "../exchange/policy.ts";
import { FaultGate } from "./fault/fault-gate.ts";
import { HedgeStage } from "./hedge/hedge-stage.ts";
import { MirrorStage } from "./mirror/mirror-stage.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { StageContext } from "./stage-context.ts";

/** What a listener or a route says of the requests that it sends to one cluster. */
export interface StageConfig {
  readonly hedge: HedgeConfig | undefined;
  readonly mirrors: readonly MirrorConfig[];
  readonly retry: RetryConfig;
}

/** What a cluster brings along. */
export interface ClusterParts {
  readonly retryBudget: RetryBudget;
  /** Its own stages. */
  readonly inner: readonly Stage[];
  readonly upstreamOf: (cluster: string) => Upstream;
}

/** The gate of a listener's own fault, whose owner is empty, or of that of one of its routes. */
export interface OwnedFault {
  readonly owner: string;
  readonly config: FaultConfig;
  readonly gate: FaultGate;
}

/**
 * What one listener does to requests beside sending them on. A fault that stays in the configuration stays the same object, however
 * often all else is compiled anew: its time does not begin again because a route was added.
 */
export class ListenerStages {
  readonly context: StageContext;
  /** By owner. */
  #faults = new Map<string, OwnedFault[]>();
  #former: ReadonlyMap<string, readonly OwnedFault[]> = new Map();
  /** By what configures them: targets of one route share their copies' bound. */
  #mirrors = new Map<MirrorConfig, MirrorStage>();

  constructor(context: StageContext) {
    this.context = context;
  }

  /** Those of the configuration in force. */
  get faults(): readonly OwnedFault[] {
    return [...this.#faults.values()].flat();
  }

  /** The configuration is compiled anew: what is not asked for again is not there any more. */
  begin(): void {
    this.#former = this.#faults;
    this.#faults = new Map();
    this.#mirrors = new Map();
  }

  gateOf(owner: string, config: FaultConfig | undefined): Gate | undefined {
    if (config === undefined || isEmpty(config)) return undefined;
    const isSame = (one: OwnedFault): boolean => isDeepStrictEqual(one.config, config);
    const owned = this.#faults.get(owner) ?? [];
    const known = owned.find(isSame);
    if (known !== undefined) return known.gate;
    const gate = this.#former.get(owner)?.find(isSame)?.gate ?? new FaultGate(config, this.context);
    this.#faults.set(owner, [...owned, { owner, config, gate }]);
    return gate;
  }

  /** The innermost first: those of the cluster, around each hedge by itself; then copies, one for each request whatever its hedges. */
  stagesOf({ hedge, mirrors, retry }: StageConfig, { retryBudget, inner, upstreamOf }: ClusterParts): readonly Stage[] {
    const stages: Stage[] = [];
    if (hedge === undefined) stages.push(...inner);
    else {
      const rules = { config: hedge, budget: retryBudget, budgetConfig: retry.budget, hasRetries: retry.attempts > 0 };
      stages.push(new HedgeStage({ ...rules, inner }, this.context));
    }
    for (const mirror of mirrors) {
      const stage = this.#mirrors.get(mirror) ?? new MirrorStage(mirror, upstreamOf(mirror.cluster), this.context);
      this.#mirrors.set(mirror, stage);
      stages.push(stage);
    }
    return stages;
  }
}

function isEmpty({ delay, abort, bandwidth, headerControl }: FaultConfig): boolean {
  return delay === undefined && abort === undefined && bandwidth === undefined && headerControl === undefined;
}
