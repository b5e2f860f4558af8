/**
 * An exponentially weighted moving average of response times that is sensitive to peaks (Finagle's and Linkerd's peak-EWMA): a
 * slower response counts in full at once, faster ones bring it down over the time of decay. While nothing is measured it sinks to zero,
 * so that a slow endpoint is tried again.
 */
export class LatencyEstimate {
  #costMs: number;
  #measuredAtMs: number;

  constructor(defaultRttMs: number, nowMs: number) {
    this.#costMs = defaultRttMs;
    this.#measuredAtMs = nowMs;
  }

  /** A failure says nothing good about an endpoint, however fast it came: it never brings the estimate down. */
  observe(rttMs: number, nowMs: number, options: { readonly decayMs: number; readonly isFailure: boolean }): void {
    const kept = Math.exp(-Math.max(0, nowMs - this.#measuredAtMs) / options.decayMs);
    if (rttMs > this.#costMs * kept + rttMs * (1 - kept)) this.#costMs = rttMs;
    else if (options.isFailure) return;
    else this.#costMs = this.#costMs * kept + rttMs * (1 - kept);
    this.#measuredAtMs = nowMs;
  }

  valueMs(nowMs: number, decayMs: number): number {
    return this.#costMs * Math.exp(-Math.max(0, nowMs - this.#measuredAtMs) / decayMs);
  }
}
