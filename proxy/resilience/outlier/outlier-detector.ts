/**
 * Decides which endpoints of one cluster are left out because of what became of their requests: the door of this folder. It is Envoy's
 * outlier detection, with a probation after each ejection as in Linkerd's failure accrual. Pure: time and chance are handed in, `sweep`
 * is called now and then, and who is concerned is told.
 *
 * An ejection ends in probation: the endpoint gets one request at a time (whoever chooses endpoints sees to that) until one has an
 * outcome. A success brings it back, a failure ejects it again, for longer; while as many are out as may be, it stays on probation
 * instead. Who is on probation does not count as out: one that nobody calls, as in an idle failover group, would keep others in.
 */
import type { OutlierDetectionConfig } from "../../../lib/contract/proxy-outlier.ts";
import { type Detection, enforcedPercent, type EjectionReason } from "./ejection-reasons.ts";
import type { OutlierCounts } from "./outlier-counts.ts";
import { type OutlierChange, OutlierHost, type OutlierJudge } from "./outlier-host.ts";
import { findRateOutliers, type Tally } from "./success-rates.ts";

export interface OutlierDetectorOptions {
  readonly monotonicMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly counts: OutlierCounts;
}

export class OutlierDetector implements OutlierJudge {
  config: OutlierDetectionConfig;
  readonly #options: OutlierDetectorOptions;
  readonly #hosts = new Set<OutlierHost>();
  /** Ejected or on probation. */
  readonly #out = new Set<OutlierHost>();
  #ejected = 0;
  #nextIntervalMs: number;

  constructor(config: OutlierDetectionConfig, options: OutlierDetectorOptions) {
    this.config = config;
    this.#options = options;
    this.#nextIntervalMs = options.monotonicMs() + config.intervalMs;
  }

  get size(): number {
    return this.#hosts.size;
  }

  get ejectedCount(): number {
    return this.#ejected;
  }

  get probationCount(): number {
    return this.#out.size - this.#ejected;
  }

  /** Watches one more endpoint. Its changes are told at once, from within what has caused them. */
  add(onChange: (change: OutlierChange) => void): OutlierHost {
    const host = new OutlierHost(this, onChange);
    this.#hosts.add(host);
    return host;
  }

  /** What comes of the requests of one that has left is not counted any more. */
  remove(host: OutlierHost): void {
    this.#hosts.delete(host);
    this.#out.delete(host);
    if (host.state === "ejected") this.#ejected--;
    host.state = "in";
  }

  /** Ends ejections that are over and, once an interval, compares rates. Called about once a second. */
  sweep(): void {
    const nowMs = this.#options.monotonicMs();
    for (const host of [...this.#out]) {
      if (host.state === "ejected" && host.untilMs <= nowMs) this.#endEjection(host);
    }
    if (nowMs < this.#nextIntervalMs) return;
    this.#nextIntervalMs = nowMs + this.config.intervalMs;
    this.#compareRates();
    for (const host of this.#hosts) {
      host.answers.clear();
      host.local.clear();
      // Who had nothing to answer for, for an interval, is that much nearer to a clean slate.
      if (host.state === "in" && host.backoff > 0) host.backoff--;
    }
  }

  /** A health check was passed: there is no need to wait for the end. */
  onHealthCheckPassed(host: OutlierHost): void {
    if (this.config.successfulHealthCheckUnejects && host.state === "ejected") this.#endEjection(host);
  }

  onDetected(host: OutlierHost, detection: Detection): void {
    if (host.state !== "in" || !this.#hosts.has(host)) return;
    const { counts, random } = this.#options;
    counts.detected[detection]++;
    if (this.#isFull) counts.overflow++;
    else if (random() * 100 < enforcedPercent(this.config, detection)) this.#eject(host, detection);
  }

  onProbationEnded(host: OutlierHost, isSuccess: boolean): void {
    if (!this.#hosts.has(host)) return;
    if (isSuccess) this.#bringBack(host);
    else if (this.#isFull) this.#options.counts.overflow++;
    else this.#eject(host, "probation");
  }

  /** Unlike with Envoy, which lets the last one go beyond its share, no more are ejected than that, and one in any case. */
  get #isFull(): boolean {
    const { maxEjectionPercent } = this.config;
    if (maxEjectionPercent === 0) return true;
    return this.#ejected >= Math.max(1, Math.floor((this.#hosts.size * maxEjectionPercent) / 100));
  }

  #eject(host: OutlierHost, reason: EjectionReason): void {
    const { baseEjectionTimeMs, maxEjectionTimeMs, maxEjectionTimeJitterMs } = this.config;
    const longestMs = Math.max(baseEjectionTimeMs, maxEjectionTimeMs);
    // Beyond the longest time more would only be remembered, and take as long to be forgotten.
    if (host.backoff * baseEjectionTimeMs < longestMs) host.backoff++;
    const jitterMs = maxEjectionTimeJitterMs === 0 ? 0 : this.#options.random() * maxEjectionTimeJitterMs;
    const forMs = Math.min(host.backoff * baseEjectionTimeMs, longestMs) + jitterMs;
    host.untilMs = this.#options.monotonicMs() + forMs;
    host.state = "ejected";
    this.#ejected++;
    this.#out.add(host);
    this.#options.counts.ejections[reason]++;
    host.onChange({ to: "ejected", reason, forMs });
  }

  #endEjection(host: OutlierHost): void {
    this.#ejected--;
    if (!this.config.probation) {
      this.#bringBack(host);
      return;
    }
    host.state = "probation";
    host.onChange({ to: "probation" });
  }

  #bringBack(host: OutlierHost): void {
    host.forget();
    host.state = "in";
    this.#out.delete(host);
    host.onChange({ to: "in" });
  }

  #compareRates(): void {
    this.#ejectByRates(({ answers }) => answers, ["success_rate", "failure_percentage"]);
    if (!this.config.splitExternalLocalOriginErrors) return;
    this.#ejectByRates(({ local }) => local, ["local_origin_success_rate", "local_origin_failure_percentage"]);
  }

  #ejectByRates(
    tallyOf: (host: OutlierHost) => Tally,
    [byRate, byPercentage]: readonly [rate: Detection, percentage: Detection],
  ): void {
    const tallies: (readonly [OutlierHost, Tally])[] = [];
    for (const host of this.#hosts) if (host.state === "in") tallies.push([host, tallyOf(host)]);
    const { bySuccessRate, byFailurePercentage } = findRateOutliers(tallies, this.config);
    for (const host of bySuccessRate) this.onDetected(host, byRate);
    for (const host of byFailurePercentage) this.onDetected(host, byPercentage);
  }
}
