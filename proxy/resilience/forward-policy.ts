import type { RetryConfig } from "../../lib/contract/proxy-resilience.ts";
import type { ForwardPolicy, Stage } from "../exchange/policy.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { RetryPolicy } from "./retry-policy.ts";

/** What a listener says of all its requests, or a route of its own. */
export interface PolicyConfig {
  readonly timeoutMs: number;
  readonly retry: RetryConfig;
  /** A route's; 0 is never, and when absent the listener's `streamIdleTimeoutMs` holds. */
  readonly idleTimeoutMs?: number;
}

/** Of requests to one cluster, with its budget and stages. Undefined when nothing is configured, so that such requests cost nothing. */
export function compileForwardPolicy(
  { timeoutMs, retry, idleTimeoutMs }: PolicyConfig,
  budget: RetryBudget,
  stages: readonly Stage[] = [],
): ForwardPolicy | undefined {
  const hasNone = timeoutMs === 0 && retry.attempts === 0 && idleTimeoutMs === undefined && stages.length === 0;
  if (hasNone) return undefined;
  return {
    timeoutMs,
    retry: retry.attempts === 0 ? undefined : { policy: new RetryPolicy(retry), budget },
    idleTimeoutMs: idleTimeoutMs === 0 ? Number.POSITIVE_INFINITY : idleTimeoutMs,
    stages,
  };
}
