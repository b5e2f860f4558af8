import { defaultTelemetry, type ProxyTelemetryConfig } from "../../lib/contract/proxy-telemetry.ts";
import { sleep } from "../../lib/base/clock.ts";
import type { ConnectionObserver, ExchangeObserver, Observation } from "../exchange/observation.ts";
import type { RequestHead } from "../message/request-head.ts";
import { AccessLog, type AccessLogOptions } from "./access-log/access-log.ts";
import type { Family } from "./exposition.ts";
import { goldenFamilies, type NameSet } from "./golden/golden-families.ts";
import { SeriesTable } from "./golden/series-table.ts";
import { type Direction, type ListenerFacts, ListenerObserver, type RequestWatcher } from "./listener-observer.ts";
import { TapHub } from "./tap/tap-hub.ts";
import { telemetryFamilies } from "./telemetry-families.ts";
import { Tracer } from "./tracing/tracer.ts";

export interface ProxyTelemetryOptions extends AccessLogOptions {
  /** The SPIFFE URI of this proxy as it is now. */
  readonly ownUri: () => string;
  /** Processes that divide the budget of series, this one included. */
  readonly processes: number;
}

/** How long an end waits for logs and spans that are on their way. */
const flushTimeoutMs = 2_000;
/** Between two looks for series that nobody uses any more. */
const expiryIntervalMs = 10_000;

/**
 * The door of this folder for those who serve requests: what one process tells of them beyond its counters. Each part is off until the
 * document turns it on; while all are, a listener has no observer and its requests cost nothing here.
 */
export class ProxyTelemetry implements RequestWatcher {
  readonly #options: ProxyTelemetryOptions;
  readonly #accessLog: AccessLog;
  readonly #tracer: Tracer;
  /** Requests as they pass. */
  readonly tap = new TapHub({
    maxLinesPerSecond: () => Math.max(1, Math.floor(this.#maxTapLines / this.#options.processes)),
    onChange: () => this.#refresh(),
  });
  #maxTapLines = defaultTelemetry.tap.maxLinesPerSecond;
  readonly #series = new SeriesTable(defaultTelemetry.metrics);
  #names: readonly NameSet[] = [];
  #expiredAtMs = 0;
  #isWatching = false;
  /** Only a sample is wanted by anybody: chance speaks when a request begins, and the others cost nothing more. */
  #drawsFirst = false;

  constructor(options: ProxyTelemetryOptions) {
    this.#options = options;
    this.#accessLog = new AccessLog(options);
    this.#tracer = new Tracer(options, defaultTelemetry.tracing);
  }

  apply(config: ProxyTelemetryConfig): void {
    this.#accessLog.apply(config.accessLog);
    this.#tracer.apply(config.tracing);
    const { names, maxSeries, idleExpiryMs } = config.metrics;
    this.#names = names;
    this.#series.setLimits({ maxSeries: Math.max(1, Math.floor(maxSeries / this.#options.processes)), idleExpiryMs });
    this.#maxTapLines = config.tap.maxLinesPerSecond;
    this.#refresh();
  }

  /** Who watches the requests of a listener: asked for each of them. */
  watch(direction: Direction, facts: () => ListenerFacts): () => ExchangeObserver | undefined {
    const observer = new ListenerObserver(direction, facts, this);
    return () => {
      if (!this.#isWatching || (this.#drawsFirst && !this.#accessLog.draw())) return undefined;
      return observer;
    };
  }

  monotonicMs(): number {
    return this.#options.clock.monotonicMs();
  }

  forward(observation: Observation, head: RequestHead): RequestHead {
    return this.#tracer.isOn ? this.#tracer.forward(observation, head) : head;
  }

  ended(observation: Observation, from: ListenerObserver): void {
    if (this.#names.length > 0) this.#series.count(observation, from);
    if (!this.#accessLog.isOn && !this.#tracer.isOn && !this.tap.isOn) return;
    const startedWallMs = this.#options.clock.nowMs() - (observation.endedMs - observation.startedMs);
    if (this.#tracer.isOn) this.#tracer.settle(observation);
    if (this.#accessLog.isOn) {
      this.#accessLog.write({ observation, startedWallMs, listen: from.facts.listen }, this.#drawsFirst);
    }
    if (this.#tracer.isOn) this.#tracer.ended(observation, from, startedWallMs);
    if (this.tap.isOn) this.tap.offer(observation, from, startedWallMs);
  }

  /** Who watches the connections that a listener relays: asked for each of them. */
  watchConnections(direction: Direction, facts: () => ListenerFacts): () => ConnectionObserver | undefined {
    const observer = new ListenerObserver(direction, facts, this);
    return () => (this.#accessLog.isOn ? observer : undefined);
  }

  endedConnection(observation: Observation, { facts: { listen } }: ListenerObserver): void {
    if (!this.#accessLog.isOn) return;
    const startedWallMs = this.#options.clock.nowMs() - (observation.endedMs - observation.startedMs);
    this.#accessLog.write({ observation, startedWallMs, listen }, false);
  }

  /** Called about once a second. */
  sweep(nowMs: number): void {
    this.#accessLog.refresh();
    this.tap.sweep(nowMs);
    if (nowMs - this.#expiredAtMs < expiryIntervalMs) return;
    this.#expiredAtMs = nowMs;
    this.#series.sweep(nowMs);
  }

  families(): Family[] {
    return [
      ...goldenFamilies(this.#names, this.#series.all(), this.#options.ownUri()),
      ...telemetryFamilies({
        accessLog: this.#accessLog.counts,
        spans: this.#tracer.exporter,
        series: this.#series,
      }),
    ];
  }

  /** Resolves when what was told so far is where it should go, or has been given up. */
  async flush(): Promise<void> {
    const done = new AbortController();
    const told = Promise.all([this.#accessLog.flush(), this.#tracer.exporter.flush()]);
    await Promise.race([told, sleep(this.#options.clock, flushTimeoutMs, done.signal)]);
    done.abort();
  }

  close(): void {
    this.#accessLog.close();
    this.#tracer.exporter.close();
  }

  #refresh(): void {
    const hasOthers = this.#tracer.isOn || this.tap.isOn || this.#names.length > 0;
    this.#isWatching = this.#accessLog.isOn || hasOthers;
    this.#drawsFirst = this.#accessLog.samplesAnyRequest && !hasOthers;
  }
}
