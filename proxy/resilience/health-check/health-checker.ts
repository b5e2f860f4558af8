/**
 * Asks the endpoints of one cluster how they are, each at its intervals and not too many at a time: the door of this folder. What a check
 * is (`probe.ts`) is the endpoint's; what its results come to is in `checked-health.ts`. Whoever makes one stops it.
 */
import type { Clock } from "../../../lib/base/clock.ts";
import type { HealthCheckConfig } from "../../../lib/contract/proxy-health-check.ts";
import { Deadlines, type Expiring } from "../../exchange/deadlines.ts";
import { zeroes } from "../../telemetry/zeroes.ts";
import { CheckedHealth } from "./checked-health.ts";
import { type CheckFailure, checkFailures, type Probe, type StartProbe } from "./probe.ts";

/** Deadlines are more than 0. */
const atOnceMs = 0.001;

/** The checks of one cluster since it is there. */
export class HealthCheckCounts {
  passed = 0;
  readonly failed: Record<CheckFailure, number> = zeroes(checkFailures);
  becameHealthy = 0;
  becameUnhealthy = 0;
}

export interface CheckedTarget {
  readonly start: StartProbe;
  /** After each check; `isChanged` when it has changed whether the endpoint is healthy. */
  readonly onChecked: (result: { readonly failure: CheckFailure | undefined; readonly isChanged: boolean }) => void;
}

export interface HealthCheckerOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly counts: HealthCheckCounts;
}

export class HealthChecker {
  readonly config: HealthCheckConfig;
  readonly #options: HealthCheckerOptions;
  readonly #deadlines: Deadlines;
  readonly #all = new Set<EndpointCheck>();
  /** Those whose time has come while as many were under way as may be, in order. */
  readonly #waiting = new Set<EndpointCheck>();
  #underWay = 0;

  constructor(config: HealthCheckConfig, options: HealthCheckerOptions) {
    this.config = config;
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock);
  }

  get underWay(): number {
    return this.#underWay;
  }

  get unhealthyCount(): number {
    let count = 0;
    for (const { health } of this.#all) if (!health.isHealthy) count++;
    return count;
  }

  /** Begins with a check at once; `health` is what is known of it from checks under other settings. */
  add(target: CheckedTarget, health = new CheckedHealth(this.config)): EndpointCheck {
    const check: EndpointCheck = new EndpointCheck(target, health, {
      deadlines: this.#deadlines,
      counts: this.#options.counts,
      config: this.config,
      pauseMs: () => this.#pauseMs(),
      enter: () => this.#enter(check),
      leave: () => this.#leave(),
    });
    this.#all.add(check);
    check.sleep(atOnceMs);
    return check;
  }

  remove(check: EndpointCheck): void {
    this.#all.delete(check);
    this.#waiting.delete(check);
    check.stop();
  }

  stop(): void {
    for (const check of [...this.#all]) this.remove(check);
  }

  #pauseMs(): number {
    const { intervalMs, intervalJitterPercent } = this.config;
    return intervalMs * (1 + (this.#options.random() * intervalJitterPercent) / 100);
  }

  #enter(check: EndpointCheck): boolean {
    if (this.#underWay >= this.config.maxConcurrent) {
      this.#waiting.add(check);
      return false;
    }
    this.#underWay++;
    return true;
  }

  #leave(): void {
    this.#underWay--;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    // Not from within the end of another one: that may be many deep.
    next.sleep(atOnceMs);
  }
}

interface CheckContext {
  readonly deadlines: Deadlines;
  readonly counts: HealthCheckCounts;
  readonly config: HealthCheckConfig;
  readonly pauseMs: () => number;
  /** Whether it may begin; else it is told to when there is room. */
  readonly enter: () => boolean;
  readonly leave: () => void;
}

/** The checks of one endpoint, one after the other. */
export class EndpointCheck implements Expiring {
  readonly health: CheckedHealth;
  readonly #target: CheckedTarget;
  readonly #context: CheckContext;
  #probe: Probe | undefined;
  /** Of `Deadlines`: the next check or the end of this one; -1 for neither. */
  #slot = -1;

  constructor(target: CheckedTarget, health: CheckedHealth, context: CheckContext) {
    this.#target = target;
    this.#context = context;
    this.health = health;
  }

  sleep(ms: number): void {
    this.#slot = this.#context.deadlines.add(ms, this);
  }

  onDeadline(): void {
    this.#slot = -1;
    if (this.#probe !== undefined) {
      this.#probe.cancel();
      this.#end("timeout");
      return;
    }
    if (!this.#context.enter()) return;
    this.sleep(this.#context.config.timeoutMs);
    this.#probe = this.#target.start((failure) => this.#end(failure));
  }

  stop(): void {
    this.#clear();
    if (this.#probe === undefined) return;
    this.#probe.cancel();
    this.#probe = undefined;
    this.#context.leave();
  }

  #end(failure: CheckFailure | undefined): void {
    const { counts, config, pauseMs, leave } = this.#context;
    this.#clear();
    this.#probe = undefined;
    this.sleep(pauseMs());
    leave();
    if (failure === undefined) counts.passed++;
    else counts.failed[failure]++;
    const isChanged = this.health.observe(failure === undefined, config);
    if (isChanged && this.health.isHealthy) counts.becameHealthy++;
    else if (isChanged) counts.becameUnhealthy++;
    this.#target.onChecked({ failure, isChanged });
  }

  #clear(): void {
    if (this.#slot >= 0) this.#context.deadlines.remove(this.#slot, this);
    this.#slot = -1;
  }
}
