import type { Runtime } from "../../../lib/base/runtime.ts";
import type { TracingConfig } from "../../../lib/contract/proxy-telemetry.ts";
import { parseSpiffeId } from "../../../lib/contract/spiffe.ts";
import type { Observation } from "../../exchange/observation.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { ListenerObserver } from "../listener-observer.ts";
import type { TelemetryOutputs } from "../outputs.ts";
import { otlpSpan } from "./otlp.ts";
import { beginSpan, type Span, withSpan } from "./span.ts";
import { SpanExporter } from "./span-exporter.ts";
import { sampledFlag } from "./trace-context.ts";

export interface TracerOptions extends Runtime {
  readonly outputs: TelemetryOutputs;
  readonly ownUri: () => string;
}

/** Makes each request a span of the trace that it belongs to, and sends those that are sampled to a collector. */
export class Tracer {
  readonly exporter: SpanExporter;
  readonly #options: TracerOptions;
  #config: TracingConfig;
  #url: string | undefined;

  constructor(options: TracerOptions, config: TracingConfig) {
    this.#options = options;
    this.#config = config;
    this.exporter = new SpanExporter({
      ...options,
      post: (url, body, timeoutMs) => options.outputs.post(url, body, timeoutMs),
      serviceName: () => this.#config.serviceName ?? serviceOf(options.ownUri()),
      url: () => this.#url,
      maxWaitingSpans: () => this.#config.maxWaitingSpans,
    });
  }

  get isOn(): boolean {
    return this.#config.propagate;
  }

  apply(config: TracingConfig): void {
    this.#config = config;
    this.#url = config.otlpEndpoint === undefined ? undefined : tracesUrl(config.otlpEndpoint);
  }

  /** The head that goes on, with this proxy's span as the parent. */
  forward(observation: Observation, head: RequestHead): RequestHead {
    return withSpan(head, this.#begin(observation, head));
  }

  /** One that was answered here has a span too, though it goes nowhere. */
  settle(observation: Observation): void {
    if (observation.span === undefined && observation.head !== undefined) this.#begin(observation, observation.head);
  }

  ended(observation: Observation, from: ListenerObserver, startedWallMs: number): void {
    const { span } = observation;
    if (span === undefined || this.#url === undefined || (span.flags & sampledFlag) === 0) return;
    this.exporter.add(otlpSpan(span, observation, { from, startedWallMs }));
  }

  #begin(observation: Observation, head: RequestHead): Span {
    const span = beginSpan(head, this.#options.random, this.#config.sample);
    observation.span = span;
    return span;
  }
}

function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === "/") url.pathname = "/v1/traces";
  return url.href;
}

function serviceOf(uri: string): string {
  const id = parseSpiffeId(uri);
  return id?.kind === "service" ? id.service : "atoll-proxy";
}
