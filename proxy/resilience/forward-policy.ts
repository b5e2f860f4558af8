import type { RetryConfig } from "../../lib/contract/proxy-resilience.ts";
import type { ForwardPolicy, Stage } from "../exchange/policy.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { RetryPolicy } from "./retry-policy.ts";

/** What a listener says of all its requests, or a route of its own. */
export interface PolicyConfig {
  readonly timeoutMs: number;
  readonly retry: RetryConfig;
}

/** Of requests to one cluster, with its budget and stages. Undefined when nothing is configured, so that such requests cost nothing. */
export function compileForwardPolicy(
  { timeoutMs, retry }: PolicyConfig,
  budget: RetryBudget,
  stages: readonly Stage[] = [],
): ForwardPolicy | undefined {
  if (timeoutMs === 0 && retry.attempts === 0 && stages.length === 0) return undefined;
  return { timeoutMs, retry: retry.attempts === 0 ? undefined : { policy: new RetryPolicy(retry), budget }, stages };
}
