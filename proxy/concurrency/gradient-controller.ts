import type { AdaptiveConcurrency } from "../../lib/contract/proxy-concurrency.ts";
import { LatencyWindow } from "./latency-window.ts";

/** Changes in a row that leave the limit at its lowest: then the least latency is measured again, as in Envoy. */
const maxUpdatesAtLowest = 5;
const leastGradient = 0.5;
const greatestGradient = 2;

/**
 * How many requests may be under way, from the latencies of those that were: Envoy's gradient controller. From time to time the limit is
 * at its lowest for a moment, and the latency that is measured then is the least, that of a server with little to do. In between the limit
 * is multiplied by the least latency over the present one, and the square root of that added, as room for a queue: it grows while nothing
 * waits and shrinks as soon as something does.
 *
 * Pure: it is told the time (monotonic milliseconds) and moves on when requests begin and end, so that it has no timer.
 */
export class GradientController {
  readonly #config: AdaptiveConcurrency;
  /** From 0 to below 1. */
  readonly #random: () => number;
  readonly #window = new LatencyWindow();
  #limit: number;
  #inFlight = 0;
  /** Of them, those whose response has not begun. */
  #unanswered = 0;
  #minRttMs: number;
  #isMeasuring = false;
  #measuredSinceMs = 0;
  /**
   * Requests that began before say nothing of the limit that is in force. Without this, a server that takes longer for a request than
   * lies between two changes would be judged by what the limit was before, and the limit would swing.
   */
  #countsSinceMs = Number.NEGATIVE_INFINITY;
  /** In force again after a measurement. */
  #limitBefore: number;
  #nextMeasurementMs = Number.NEGATIVE_INFINITY;
  #nextUpdateMs = Number.NEGATIVE_INFINITY;
  #updatesAtLowest = 0;

  constructor(config: AdaptiveConcurrency, random: () => number) {
    this.#config = config;
    this.#random = random;
    this.#limit = config.minConcurrency;
    this.#limitBefore = config.minConcurrency;
    this.#minRttMs = config.fixedMinRttMs;
    if (config.fixedMinRttMs > 0) this.#nextMeasurementMs = Number.POSITIVE_INFINITY;
  }

  /** Requests that may be under way now. */
  get limit(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** 0 while it has not been measured. */
  get minRttMs(): number {
    return this.#minRttMs;
  }

  get isMeasuring(): boolean {
    return this.#isMeasuring;
  }

  /**
   * Whether one more request may begin; `answer` and then `end` tell what becomes of it, or `giveUp` alone. However low the limit is, as
   * many as the lowest may wait for their answer: streams that go on for hours would leave no room for anybody else, and then nothing
   * would be measured by which the limit could rise.
   */
  tryBegin(nowMs: number): boolean {
    this.#advance(nowMs);
    if (this.#inFlight >= this.#limit && this.#unanswered >= this.#config.minConcurrency) return false;
    this.#inFlight++;
    this.#unanswered++;
    return true;
  }

  /** The response to a request that began at `beganMs` begins, after the server has had it for `latencyMs`. */
  answer(latencyMs: number, beganMs: number, nowMs: number): void {
    this.#unanswered--;
    this.#advance(nowMs);
    if (beganMs < this.#countsSinceMs) return;
    this.#window.add(latencyMs);
    if (this.#isMeasuring && this.#window.count >= this.#config.minRttRequests) this.#endMeasurement(nowMs);
  }

  /** A request that was answered is over. */
  end(): void {
    this.#inFlight--;
  }

  /**
   * A request is over without an answer. That the server has had it for `waitedMs` counts only when it says that the server is slow:
   * without it nothing would be known of one that answers nobody in time.
   */
  giveUp(waitedMs: number, nowMs: number): void {
    this.#inFlight--;
    this.#unanswered--;
    this.#advance(nowMs);
    if (this.#isMeasuring || waitedMs <= this.#slowMs || nowMs - waitedMs < this.#countsSinceMs) return;
    this.#window.add(waitedMs);
  }

  /** The least latency with what it may be above. */
  get #slowMs(): number {
    return this.#minRttMs * (1 + this.#config.minRttBufferPercent / 100);
  }

  #advance(nowMs: number): void {
    if (this.#isMeasuring) {
      if (nowMs - this.#measuredSinceMs >= this.#config.minRttTimeoutMs) this.#endMeasurement(nowMs);
      return;
    }
    if (nowMs >= this.#nextUpdateMs) this.#update(nowMs);
    if (nowMs >= this.#nextMeasurementMs || this.#updatesAtLowest >= maxUpdatesAtLowest) this.#beginMeasurement(nowMs);
  }

  #update(nowMs: number): void {
    this.#nextUpdateMs = nowMs + this.#config.updateIntervalMs;
    if (this.#window.count === 0 || this.#minRttMs === 0) return;
    const { minConcurrency, maxConcurrency, percentile } = this.#config;
    const gradient = this.#slowMs / this.#window.percentileMs(percentile);
    this.#window.clear();
    const scaled = this.#limit * Math.max(leastGradient, Math.min(greatestGradient, gradient));
    const next = Math.floor(scaled + Math.sqrt(scaled));
    const bounded = Math.max(minConcurrency, Math.min(maxConcurrency, next));
    const staysLowest = bounded === minConcurrency && this.#limit === minConcurrency;
    // A fixed latency cannot be measured again, and where there is but one limit nothing would come of it.
    const canMeasure = this.#config.fixedMinRttMs === 0 && minConcurrency < maxConcurrency;
    this.#updatesAtLowest = staysLowest && canMeasure ? this.#updatesAtLowest + 1 : 0;
    if (bounded !== this.#limit) this.#countsSinceMs = nowMs;
    this.#limit = bounded;
  }

  #beginMeasurement(nowMs: number): void {
    this.#isMeasuring = true;
    this.#measuredSinceMs = nowMs;
    this.#countsSinceMs = nowMs;
    this.#updatesAtLowest = 0;
    this.#window.clear();
    this.#limitBefore = this.#limit;
    this.#limit = this.#config.minConcurrency;
  }

  /** With whatever it has. When that is nothing, the least latency stays what it was, and where none is known nobody is held up. */
  #endMeasurement(nowMs: number): void {
    const { percentile, maxConcurrency, minRttIntervalMs, minRttJitterPercent, updateIntervalMs } = this.#config;
    if (this.#window.count > 0) this.#minRttMs = this.#window.percentileMs(percentile);
    this.#window.clear();
    this.#isMeasuring = false;
    this.#limit = this.#minRttMs > 0 ? this.#limitBefore : maxConcurrency;
    this.#nextMeasurementMs = nowMs + minRttIntervalMs * (1 + (minRttJitterPercent / 100) * this.#random());
    this.#nextUpdateMs = nowMs + updateIntervalMs;
  }
}
