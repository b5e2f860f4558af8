import type { FaultConfig } from "../../lib/contract/proxy-fault.ts";
import type { HedgeConfig } from "../../lib/contract/proxy-hedge.ts";
import type { MirrorConfig } from "../../lib/contract/proxy-mirror.ts";
import type { RetryConfig } from "../../lib/contract/proxy-resilience.ts";
import type { ForwardPolicy, Gate, Stage } from "../exchange/policy.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { RetryPolicy } from "./retry-policy.ts";

/** What a route may say in the place of its listener. */
export interface RoutePolicy {
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly retry: RetryConfig;
  readonly hedge: HedgeConfig;
  readonly fault: FaultConfig;
  readonly mirrors: readonly MirrorConfig[];
}

/** What a listener says of all its requests, or a route of its own. */
export interface PolicyConfig {
  readonly timeoutMs: number;
  readonly retry: RetryConfig;
  /** A route's; 0 is never, and when absent the listener's `streamIdleTimeoutMs` holds. */
  readonly idleTimeoutMs?: number;
  readonly gate?: Gate | undefined;
}

/** Of requests to one cluster, with its budget and stages. Undefined when nothing is configured, so that such requests cost nothing. */
export function compileForwardPolicy(
  { timeoutMs, retry, idleTimeoutMs, gate }: PolicyConfig,
  budget: RetryBudget,
  stages: readonly Stage[] = [],
): ForwardPolicy | undefined {
  const hasTimes = timeoutMs > 0 || idleTimeoutMs !== undefined;
  if (!hasTimes && retry.attempts === 0 && stages.length === 0 && gate === undefined) return undefined;
  return {
    timeoutMs,
    retry: retry.attempts === 0 ? undefined : { policy: new RetryPolicy(retry), budget },
    idleTimeoutMs: idleTimeoutMs === 0 ? Number.POSITIVE_INFINITY : idleTimeoutMs,
    stages,
    ...(gate !== undefined && { gate }),
  };
}
