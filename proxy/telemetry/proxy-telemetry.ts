import type { ProxyTelemetryConfig } from "../../lib/contract/proxy-telemetry.ts";
import type { ExchangeObserver, Observation } from "../exchange/observation.ts";
import type { RequestHead } from "../message/request-head.ts";
import { AccessLog, type AccessLogOptions } from "./access-log/access-log.ts";
import type { Family } from "./exposition.ts";
import { type Direction, type ListenerFacts, ListenerObserver, type RequestWatcher } from "./listener-observer.ts";
import { telemetryFamilies } from "./telemetry-families.ts";

export type ProxyTelemetryOptions = AccessLogOptions;

/**
 * The door of this folder for those who serve requests: what one process tells of them beyond its counters. Each part is off until the
 * document turns it on; while all are, a listener has no observer and its requests cost nothing here.
 */
export class ProxyTelemetry implements RequestWatcher {
  readonly #options: ProxyTelemetryOptions;
  readonly #accessLog: AccessLog;
  #isWatching = false;

  constructor(options: ProxyTelemetryOptions) {
    this.#options = options;
    this.#accessLog = new AccessLog(options);
  }

  apply(config: ProxyTelemetryConfig): void {
    this.#accessLog.apply(config.accessLog);
    this.#isWatching = this.#accessLog.isOn;
  }

  /** Who watches the requests of a listener: asked for each of them. */
  watch(direction: Direction, facts: () => ListenerFacts): () => ExchangeObserver | undefined {
    const observer = new ListenerObserver(direction, facts, this);
    return () => (this.#isWatching ? observer : undefined);
  }

  monotonicMs(): number {
    return this.#options.clock.monotonicMs();
  }

  forward(_observation: Observation, head: RequestHead): RequestHead {
    return head;
  }

  ended(observation: Observation, from: ListenerObserver): void {
    const startedWallMs = this.#options.clock.nowMs() - (observation.endedMs - observation.startedMs);
    if (this.#accessLog.isOn) this.#accessLog.write({ observation, startedWallMs, listen: from.facts.listen });
  }

  /** Called about once a second. */
  sweep(_nowMs: number): void {
    this.#accessLog.refresh();
  }

  families(): Family[] {
    return telemetryFamilies({ accessLog: this.#accessLog.counts });
  }

  /** Resolves when what was told so far is where it should go, or has been given up. */
  async flush(): Promise<void> {
    await this.#accessLog.flush();
  }

  close(): void {
    this.#accessLog.close();
  }
}
