import type { RetryConfig } from "../../lib/contract/proxy-resilience.ts";
import type { ForwardPolicy, Gate, Stage } from "../exchange/policy.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { RetryPolicy } from "./retry-policy.ts";

/** What a listener says of all its requests, or a route of its own. */
export interface PolicyConfig {
  readonly timeoutMs: number;
  readonly retry: RetryConfig;
  /** The outermost last. */
  readonly stages?: readonly Stage[];
  readonly gate?: Gate | undefined;
}

/** Undefined when nothing is configured, so that such requests cost nothing. */
export function compileForwardPolicy(
  { timeoutMs, retry, stages = [], gate }: PolicyConfig,
  budget: RetryBudget,
): ForwardPolicy | undefined {
  const isEmpty = timeoutMs === 0 && retry.attempts === 0 && stages.length === 0 && gate === undefined;
  if (isEmpty) return undefined;
  return {
    timeoutMs,
    retry: retry.attempts === 0 ? undefined : { policy: new RetryPolicy(retry), budget },
    ...(stages.length > 0 && { stages }),
    ...(gate !== undefined && { gate }),
  };
}
