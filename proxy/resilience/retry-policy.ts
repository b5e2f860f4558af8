import type { RetryCondition, RetryConfig } from "../../lib/contract/proxy-resilience.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";

/** Statuses of gRPC that retries may be asked for. */
const grpcStatuses: readonly (readonly [RetryCondition, string])[] = [
  ["cancelled", "1"],
  ["deadline-exceeded", "4"],
  ["resource-exhausted", "8"],
  ["internal", "13"],
  ["unavailable", "14"],
];

/** How a try ended without a response: no connection, turned away unread, lost or late. */
export type FailedTry = "connect-failure" | "refused-stream" | "reset";

/** What is tried again and when, compiled from its configuration. Knows no request: whoever does counts its tries. */
export class RetryPolicy {
  readonly config: RetryConfig;
  readonly #on: ReadonlySet<RetryCondition>;
  readonly #methods: ReadonlySet<string>;
  readonly #codes: ReadonlySet<number>;
  readonly #grpc: ReadonlySet<string>;

  constructor(config: RetryConfig) {
    this.config = config;
    this.#on = new Set(config.on);
    this.#methods = new Set(config.methods);
    this.#codes = new Set(this.#on.has("retriable-status-codes") ? config.statusCodes : []);
    this.#grpc = new Set(grpcStatuses.filter(([name]) => this.#on.has(name)).map(([, status]) => status));
  }

  /** Whether a response is one to try again after. */
  retriesResponse({ status, block }: ResponseHead, { grpc, method }: RequestHead): boolean {
    // A call's method is POST whatever it does: who names a status of gRPC has said that it may be called again.
    if (grpc !== "" && this.#grpc.size > 0 && this.#grpc.has(block.get("grpc-status") ?? "")) return true;
    return status >= 400 && this.#retriesStatus(status) && this.#methods.has(method);
  }

  retriesFailure(failure: FailedTry, method: string): boolean {
    if (!this.#on.has(failure) && !this.#on.has("5xx")) return false;
    return failure !== "reset" || this.#methods.has(method);
  }

  /**
   * The pause before a retry, `retry` 1 for the first, after `response` if there was one; -1 when the server asks for a longer
   * one than is allowed. `random` is from 0 to below 1.
   */
  delayMs(retry: number, random: number, response: ResponseHead | undefined): number {
    const { baseMs, maxMs, maxRetryAfterMs } = this.config.backoff;
    const askedMs = response === undefined ? -1 : retryAfterMs(response);
    if (askedMs > maxRetryAfterMs) return -1;
    return Math.max(askedMs, random * Math.min(maxMs, baseMs * 2 ** (retry - 1)));
  }

  #retriesStatus(status: number): boolean {
    if (status >= 500 && this.#on.has("5xx")) return true;
    if (status >= 502 && status <= 504 && this.#on.has("gateway-error")) return true;
    return (status === 409 && this.#on.has("retriable-4xx")) || this.#codes.has(status);
  }
}

/** What Retry-After asks for (RFC 9110 section 10.2.3), a date by the server's own clock; -1 for nothing, or nothing readable. */
export function retryAfterMs({ block }: ResponseHead): number {
  const value = block.get("retry-after");
  if (value === undefined) return -1;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const leftMs = Date.parse(value) - Date.parse(block.get("date") ?? "");
  return Number.isNaN(leftMs) ? -1 : Math.max(0, leftMs);
}
