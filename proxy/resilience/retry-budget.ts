import type { RetryBudgetConfig } from "../../lib/contract/proxy-resilience.ts";

/** Seconds over which retries are compared with requests, as in Linkerd. */
const windowSeconds = 10;

/**
 * Holds the retries of one cluster to a share of its requests: of those under way, as Envoy does, so that a slow server is not
 * buried; and of those of the last ten seconds, as Linkerd does, since retries of what fails at once are never many at a time.
 */
export class RetryBudget {
  readonly #monotonicMs: () => number;
  /** Per second, in a ring. */
  readonly #requests = new Float64Array(windowSeconds);
  readonly #retries = new Float64Array(windowSeconds);
  #second = 0;
  #requestSum = 0;
  #retrySum = 0;
  #liveRequests = 0;
  #liveRetries = 0;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  get liveRequests(): number {
    return this.#liveRequests;
  }

  get liveRetries(): number {
    return this.#liveRetries;
  }

  /** A request begins; `endRequest` is called when it is over. */
  beginRequest(): void {
    const at = this.#turn();
    this.#requests[at] = (this.#requests[at] ?? 0) + 1;
    this.#requestSum++;
    this.#liveRequests++;
  }

  endRequest(): void {
    this.#liveRequests--;
  }

  /** Whether a request may be tried again; `endRetry` is called when that try is over. */
  tryBeginRetry({ percent, minConcurrent, minPerSecond }: RetryBudgetConfig): boolean {
    const at = this.#turn();
    const share = percent / 100;
    if (this.#liveRetries >= Math.max(minConcurrent, share * this.#liveRequests)) return false;
    if (this.#retrySum >= Math.max(minPerSecond * windowSeconds, share * this.#requestSum)) return false;
    this.#countRetry(at);
    this.#liveRetries++;
    return true;
  }

  endRetry(): void {
    this.#liveRetries--;
  }

  /** A request was sent again that certainly had not been acted on: it needs no leave, and leaves less to others. */
  countResend(): void {
    this.#countRetry(this.#turn());
  }

  #countRetry(at: number): void {
    this.#retries[at] = (this.#retries[at] ?? 0) + 1;
    this.#retrySum++;
  }

  /** Empties the seconds that have passed since the last call; returns the place of this one. */
  #turn(): number {
    const second = Math.floor(this.#monotonicMs() / 1_000);
    const passed = Math.min(second - this.#second, windowSeconds);
    for (let i = 1; i <= passed; i++) {
      const at = (this.#second + i) % windowSeconds;
      this.#requestSum -= this.#requests[at] ?? 0;
      this.#retrySum -= this.#retries[at] ?? 0;
      this.#requests[at] = 0;
      this.#retries[at] = 0;
    }
    this.#second = second;
    return second % windowSeconds;
  }
}
