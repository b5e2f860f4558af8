import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../lib/base/clock.ts";
import type { Logger } from "../../lib/base/logger.ts";
import type { HealthCheckConfig } from "../../lib/contract/proxy-health-check.ts";
import type { OutlierDetectionConfig } from "../../lib/contract/proxy-outlier.ts";
import type { CheckedHealth } from "../resilience/health-check/checked-health.ts";
import {
  type CheckedTarget,
  type EndpointCheck,
  HealthCheckCounts,
  HealthChecker,
} from "../resilience/health-check/health-checker.ts";
import { OutlierCounts } from "../resilience/outlier/outlier-counts.ts";
import { OutlierDetector } from "../resilience/outlier/outlier-detector.ts";
import type { OutlierChange } from "../resilience/outlier/outlier-host.ts";
import type { EndpointPool } from "../upstream/endpoint-pool.ts";
import { createProbe } from "../upstream/health-probes.ts";
import type { Endpoint } from "./endpoint.ts";

export interface ClusterHealthOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** The cluster's name, for logs. */
  readonly cluster: () => string;
  /** What an endpoint is called when it is asked how it is. */
  readonly host: () => string;
}

export interface HealthSettings {
  readonly outlierDetection?: OutlierDetectionConfig;
  readonly healthCheck?: HealthCheckConfig;
}

/** Which endpoints of one cluster are fit to be used: outlier detection and health checks, each where it is configured. Changes are logged, once each. */
export class ClusterHealth {
  readonly outlierCounts = new OutlierCounts();
  readonly checkCounts = new HealthCheckCounts();
  readonly #options: ClusterHealthOptions;
  #isPanicking = false;
  #detector: OutlierDetector | undefined;
  #checker: HealthChecker | undefined;
  #host = "";
  /** Of those that are checked. */
  readonly #pools = new Map<Endpoint, EndpointPool>();

  constructor(options: ClusterHealthOptions) {
    this.#options = options;
  }

  /** So few endpoints are fit that all are used; as of the last sweep. */
  get isPanicking(): boolean {
    return this.#isPanicking;
  }

  get hasOutlierDetection(): boolean {
    return this.#detector !== undefined;
  }

  get hasChecks(): boolean {
    return this.#checker !== undefined;
  }

  /** `endpoints` are all that there are now; each that has gone was told to `leave`. */
  update({ outlierDetection, healthCheck }: HealthSettings, endpoints: readonly Endpoint[]): void {
    this.#updateDetector(outlierDetection, endpoints);
    this.#updateChecker(healthCheck, endpoints);
    for (const endpoint of endpoints) {
      if (this.#detector !== undefined) endpoint.outlier ??= this.#watch(this.#detector, endpoint);
      endpoint.judge();
    }
  }

  /** An endpoint is in the configuration no more. */
  leave(endpoint: Endpoint): void {
    this.#unwatch(endpoint);
    this.#uncheck(endpoint);
  }

  /** Called about once a second. */
  sweep(nowMs: number): void {
    this.#detector?.sweep();
    for (const pool of this.#pools.values()) pool.sweep(nowMs);
  }

  /** To be called about once a second with whether the balancer ignores health. */
  notePanic(isPanicking: boolean): void {
    if (isPanicking === this.#isPanicking) return;
    this.#isPanicking = isPanicking;
    const { logger, cluster } = this.#options;
    if (isPanicking) logger.warn("panic: too few endpoints are healthy, all are used", { cluster: cluster() });
    else logger.info("panic is over", { cluster: cluster() });
  }

  /** The cluster leaves: nobody is checked any more. */
  stop(): void {
    this.#checker?.stop();
    this.#checker = undefined;
    for (const pool of this.#pools.values()) pool.close();
    this.#pools.clear();
  }

  #updateDetector(config: OutlierDetectionConfig | undefined, endpoints: readonly Endpoint[]): void {
    if (config === undefined) {
      for (const endpoint of endpoints) this.#unwatch(endpoint);
      this.#detector = undefined;
      return;
    }
    const { clock, random } = this.#options;
    this.#detector ??= new OutlierDetector(config, {
      monotonicMs: clock.monotonicMs,
      random,
      counts: this.outlierCounts,
    });
    this.#detector.config = config;
  }

  /** With other settings checks begin anew, and what was found out so far holds until they say otherwise. */
  #updateChecker(config: HealthCheckConfig | undefined, endpoints: readonly Endpoint[]): void {
    const known = new Map<Endpoint, CheckedHealth>();
    const host = this.#options.host();
    if (config === undefined || host !== this.#host || !isDeepStrictEqual(config, this.#checker?.config)) {
      for (const endpoint of endpoints) {
        if (endpoint.check !== undefined && config !== undefined) known.set(endpoint, endpoint.check.health);
        this.#uncheck(endpoint);
      }
      this.stop();
      if (config === undefined) return;
      this.#host = host;
      this.#checker = new HealthChecker(config, { ...this.#options, counts: this.checkCounts });
    }
    for (const endpoint of endpoints) endpoint.check ??= this.#check(endpoint, known.get(endpoint));
  }

  #watch(detector: OutlierDetector, endpoint: Endpoint): Endpoint["outlier"] {
    return detector.add((change) => this.#onOutlier(endpoint, change));
  }

  #unwatch(endpoint: Endpoint): void {
    if (endpoint.outlier !== undefined) this.#detector?.remove(endpoint.outlier);
    endpoint.outlier = undefined;
  }

  #check(endpoint: Endpoint, health: CheckedHealth | undefined): EndpointCheck | undefined {
    const checker = this.#checker;
    if (checker === undefined) return undefined;
    const pool = endpoint.createCheckPool();
    this.#pools.set(endpoint, pool);
    const connect: Endpoint["connectForCheck"] = (onResult) => endpoint.connectForCheck(onResult);
    const target: CheckedTarget = {
      start: createProbe(checker.config, endpoint.peer.service || this.#host, { pool, connect }),
      onChecked: ({ failure, isChanged }) => {
        if (isChanged) this.#onHealth(endpoint, failure);
        if (failure === undefined && endpoint.outlier !== undefined)
          this.#detector?.onHealthCheckPassed(endpoint.outlier);
      },
    };
    return checker.add(target, health);
  }

  #uncheck(endpoint: Endpoint): void {
    if (endpoint.check !== undefined) this.#checker?.remove(endpoint.check);
    endpoint.check = undefined;
    this.#pools.get(endpoint)?.close();
    this.#pools.delete(endpoint);
  }

  #onOutlier(endpoint: Endpoint, change: OutlierChange): void {
    if (change.to === "ejected") {
      const { reason, forMs } = change;
      this.#log("endpoint ejected", endpoint, { reason, forMs: Math.round(forMs) });
      endpoint.judge();
    } else if (change.to === "probation") {
      this.#log("endpoint on probation", endpoint, {});
      endpoint.beginProbation();
    } else {
      this.#log("endpoint back in", endpoint, {});
      endpoint.rejoin();
      endpoint.judge();
    }
  }

  #onHealth(endpoint: Endpoint, failure: string | undefined): void {
    if (failure === undefined) this.#log("endpoint healthy", endpoint, {});
    else this.#log("endpoint unhealthy", endpoint, { reason: failure });
    endpoint.judge();
  }

  #log(message: string, { address }: Endpoint, fields: Readonly<Record<string, string | number>>): void {
    this.#options.logger.info(message, { cluster: this.#options.cluster(), endpoint: address, ...fields });
  }
}
