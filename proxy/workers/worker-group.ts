import { type Backoff, createBackoff } from "../../lib/base/backoff.ts";
import { sleep, type Timer } from "../../lib/base/clock.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import type { ProxyWorkers } from "../proxy.ts";
import type { Family } from "../telemetry/exposition.ts";
import type { TapFilter } from "../telemetry/tap/tap-filter.ts";
import type { TapListener, TapSubscription } from "../telemetry/tap/tap-hub.ts";
import { countersOf, keepBudgeted, keepListeners, mergeFamilies } from "../telemetry/merge-families.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { WorkerTaps } from "./worker-taps.ts";
import type { WorkerEvents, WorkerProcess } from "./worker-process.ts";

export interface WorkerGroupOptions {
  readonly runtime: Runtime;
  /** Beside the main process. */
  readonly count: number;
  readonly start: (events: WorkerEvents) => WorkerProcess;
}

const readyTimeoutMs = 5_000;
/** A worker that is busy longer than this is counted with what it said last. */
const metricsTimeoutMs = 1_000;
const drainGraceMs = 1_000;
const stableAfterMs = 15_000;

/** The workers of one proxy: each gets every configuration, one that dies is started again and the others go on. */
export class WorkerGroup implements ProxyWorkers {
  readonly #slots: readonly WorkerSlot[];
  readonly #runtime: Runtime;
  readonly #taps = new WorkerTaps((message) => {
    for (const slot of this.#slots) slot.send(message);
  });
  /** Counters of those that have died. */
  #past: readonly Family[] = [];

  constructor(options: WorkerGroupOptions) {
    this.#runtime = options.runtime;
    this.#slots = Array.from(
      { length: options.count },
      () =>
        new WorkerSlot(options, this.#taps, (counted) => {
          this.#past = this.#past.length === 0 ? counted : mergeFamilies(this.#past, [counted]);
        }),
    );
  }

  apply(config: ProxyConfig, version: number, ports: Readonly<Record<string, number>>): void {
    const processes = this.#slots.length + 1;
    for (const slot of this.#slots) slot.apply({ type: "config", version, config, ports, processes });
  }

  subscribe(filter: TapFilter, listener: TapListener): TapSubscription {
    return this.#taps.subscribe(filter, listener);
  }

  async ready(): Promise<void> {
    await this.#within(readyTimeoutMs, Promise.all(this.#slots.map((slot) => slot.applied)));
  }

  async families(own: readonly Family[]): Promise<readonly (readonly Family[])[]> {
    const answers = this.#slots.map((slot) => slot.askMetrics());
    await this.#within(metricsTimeoutMs, Promise.all(answers));
    const live = this.#slots.map((slot) => slot.lastFamilies);
    this.#past = keepBudgeted(keepListeners(this.#past, own), [own, ...live]);
    return [...live, this.#past];
  }

  async drain(deadlineMs: number): Promise<void> {
    for (const slot of this.#slots) slot.drain(deadlineMs);
    await this.#within(deadlineMs + drainGraceMs, Promise.all(this.#slots.map((slot) => slot.ended)));
  }

  stop(): void {
    for (const slot of this.#slots) slot.stop();
  }

  async #within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
    const cancel = new AbortController();
    await Promise.race([work, sleep(this.#runtime.clock, timeoutMs, cancel.signal)]);
    cancel.abort();
  }
}

/** The place of one worker, whichever process fills it at the moment. */
class WorkerSlot {
  lastFamilies: readonly Family[] = [];
  readonly #options: WorkerGroupOptions;
  readonly #backoff: Backoff;
  readonly #taps: WorkerTaps;
  readonly #onCounted: (families: readonly Family[]) => void;
  readonly #ended = Promise.withResolvers<void>();
  readonly #applied = Promise.withResolvers<void>();
  #process: WorkerProcess | undefined;
  #config: Extract<ToWorker, { type: "config" }> | undefined;
  #asked: PromiseWithResolvers<void> | undefined;
  #startedMs = 0;
  #timer: Timer | undefined;
  #isLeaving = false;

  constructor(options: WorkerGroupOptions, taps: WorkerTaps, onCounted: (families: readonly Family[]) => void) {
    this.#options = options;
    this.#taps = taps;
    this.#onCounted = onCounted;
    this.#backoff = createBackoff({ minDelayMs: 100, maxDelayMs: 30_000, random: options.runtime.random });
  }

  /** Resolves when the first configuration has been applied. */
  get applied(): Promise<void> {
    return this.#applied.promise;
  }

  /** Resolves when the process has ended after `drain` or `stop`. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  apply(config: Extract<ToWorker, { type: "config" }>): void {
    const isFirst = this.#config === undefined;
    this.#config = config;
    if (isFirst) this.#start();
    else this.#process?.send(config);
  }

  /** To the process that is there now, if there is one. */
  send(message: ToWorker): void {
    this.#process?.send(message);
  }

  askMetrics(): Promise<void> {
    if (this.#process === undefined) return Promise.resolve();
    this.#asked ??= Promise.withResolvers<void>();
    this.#process.send({ type: "metrics" });
    return this.#asked.promise;
  }

  drain(drainMs: number): void {
    this.#leave();
    this.#process?.send({ type: "drain", drainMs });
  }

  stop(): void {
    this.#leave();
    this.#process?.kill();
  }

  #leave(): void {
    this.#isLeaving = true;
    this.#timer?.cancel();
    if (this.#process === undefined) this.#ended.resolve();
  }

  #start(): void {
    const { runtime, start } = this.#options;
    this.#startedMs = runtime.clock.monotonicMs();
    const events: WorkerEvents = {
      onMessage: (message) => this.#onMessage(message),
      onExit: (how) => this.#onExit(how),
    };
    this.#process = start(events);
    runtime.logger.info("worker started", { pid: this.#process.pid });
  }

  #onMessage(message: FromWorker): void {
    const { logger } = this.#options.runtime;
    if (message.type === "started") {
      if (this.#config !== undefined) this.#process?.send(this.#config);
      for (const tap of this.#taps.messages()) this.#process?.send(tap);
    } else if (message.type === "applied") {
      this.#applied.resolve();
    } else if (message.type === "rejected") {
      logger.error("a worker cannot apply the configuration and keeps the one before", { error: message.message });
    } else if (message.type === "tapped") {
      this.#taps.onTapped(message);
    } else {
      this.lastFamilies = message.families;
      this.#answered();
    }
  }

  #onExit(how: string): void {
    const { runtime } = this.#options;
    this.#process = undefined;
    this.#answered();
    this.#onCounted(countersOf(this.lastFamilies));
    this.lastFamilies = [];
    if (this.#isLeaving) {
      this.#ended.resolve();
      return;
    }
    if (runtime.clock.monotonicMs() - this.#startedMs >= stableAfterMs) this.#backoff.reset();
    const delayMs = Math.round(this.#backoff.nextDelayMs());
    runtime.logger.warn("a worker ended, starting it again", { reason: how, delayMs });
    this.#timer = runtime.clock.after(delayMs, () => this.#start());
  }

  #answered(): void {
    this.#asked?.resolve();
    this.#asked = undefined;
  }
}
