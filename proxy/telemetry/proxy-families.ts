import type { InboundListener } from "../inbound/listener.ts";
import type { OutboundListener } from "../outbound/listener.ts";
import { clusterFamilies } from "./cluster-families.ts";
import { extAuthzFamilies, type ExtAuthzReading } from "./ext-authz-families.ts";
import { type Family, histogramSamples, type Sample } from "./exposition.ts";
import { type ConcurrencyReading, concurrencyFamilies, limitFamilies } from "./limit-families.ts";
import { latencyBoundsMs } from "./http-counters.ts";
import { stageFamilies } from "./stage-families.ts";

/** Of one process, under the names of Node.js. */
export interface MemoryUsage {
  readonly rss: number;
  readonly heapUsed: number;
}

type AnyListener = InboundListener | OutboundListener;

export interface ProxyReadings {
  readonly listeners: readonly AnyListener[];
  readonly configVersion: number;
  readonly certificateExpiryMs: number;
  readonly memory: MemoryUsage;
  readonly bufferedBytes: number;
  readonly maxBufferedBytes: number;
}

/**
 * Every metric of a proxy. `direction`, `service` and `listener` label them all; `outbound` is the application's side, `inbound` the
 * side of the service that is called. The golden signals also stand under the names Linkerd's users alert on.
 */
export function proxyFamilies(readings: ProxyReadings): Family[] {
  const { listeners } = readings;
  return [
    counter(
      "request_total",
      "HTTP requests received.",
      listeners.map((l) => sample(l, l.serving.counters.requests)),
    ),
    counter("response_total", "HTTP responses sent, by class.", listeners.flatMap(responseSamples)),
    {
      name: "response_latency_ms",
      help: "Milliseconds from a request's head to the first byte of its response.",
      type: "histogram",
      samples: listeners.filter(isHttp).flatMap((l) =>
        histogramSamples(labelsOf(l), {
          bounds: latencyBoundsMs,
          buckets: l.serving.counters.latencyBuckets,
          sum: l.serving.counters.latencySumMs,
        }),
      ),
    },
    counter(
      "atoll_proxy_requests_refused_total",
      "HTTP requests answered by the proxy itself.",
      listeners.flatMap((l) => reasonSamples(l, l.serving.counters.refusals)),
    ),
    counter(
      "atoll_proxy_http2_protocol_errors_total",
      "Clients' HTTP/2 connections ended for what was sent on them.",
      listeners.filter(isHttp).flatMap((l) => reasonSamples(l, l.serving.counters.protocolErrors)),
    ),
    counter(
      "atoll_proxy_retries_total",
      "Requests sent again.",
      listeners.map((l) => sample(l, l.serving.counters.retries)),
    ),
    counter(
      "atoll_proxy_retries_over_budget_total",
      "Requests not sent again because the retry budget was used up.",
      listeners.map((l) => sample(l, l.serving.counters.retriesOverBudget)),
    ),
    ...stageFamilies(
      listeners.flatMap((l) => (l.stages === undefined ? [] : [{ labels: labelsOf(l), stages: l.stages }])),
    ),
    counter(
      "tcp_open_total",
      "Connections accepted.",
      listeners.map((l) => sample(l, l.serving.connections.opened)),
    ),
    counter(
      "atoll_proxy_caller_connections_total",
      "Mesh connections accepted, by the caller's SPIFFE id.",
      listeners.flatMap(callerSamples),
    ),
    counter(
      "tcp_close_total",
      "Connections ended.",
      listeners.map((l) => sample(l, l.serving.connections.closed)),
    ),
    {
      name: "tcp_open_connections",
      help: "Connections open now.",
      type: "gauge",
      samples: listeners.map((l) => sample(l, l.serving.members.size)),
    },
    counter(
      "tcp_read_bytes_total",
      "Bytes read from clients.",
      listeners.map((l) => sample(l, l.serving.connections.readBytes)),
    ),
    counter(
      "tcp_write_bytes_total",
      "Bytes written to clients.",
      listeners.map((l) => sample(l, l.serving.connections.writeBytes)),
    ),
    counter(
      "atoll_proxy_connections_refused_total",
      "Connections refused, by reason.",
      listeners.flatMap((l) => reasonSamples(l, l.serving.connections.refusals)),
    ),
    counter(
      "atoll_proxy_connections_closed_total",
      "Connections ended by a limit, by reason.",
      listeners.flatMap((l) => reasonSamples(l, l.serving.connections.closures)),
    ),
    counter(
      "atoll_proxy_dry_run_denials_total",
      "Requests, or connections of TCP, that an intention in dry run would have denied.",
      listeners.flatMap((l) => {
        const { counters, connections } = l.serving;
        return l.kind === "inbound" ? [sample(l, counters.dryRunDenials + connections.dryRunDenials)] : [];
      }),
    ),
    ...extAuthzFamilies(listeners.flatMap(extAuthzReadings)),
    ...limitFamilies(listeners, labelsOf),
    ...concurrencyFamilies(listeners.flatMap(concurrencyReadings)),
    counter(
      "atoll_proxy_connect_failures_total",
      "Failed attempts to reach an endpoint.",
      listeners.flatMap(connectFailureSamples),
    ),
    {
      name: "atoll_proxy_endpoints",
      help: "Endpoints configured.",
      type: "gauge",
      merge: "max",
      samples: listeners.flatMap(endpointSamples),
    },
    ...clusterFamilies(listeners.filter((l) => l.kind === "outbound")),
    {
      ...gauge("atoll_proxy_config_version", "Version of the configuration in force.", readings.configVersion),
      merge: "min",
    },
    {
      ...gauge(
        "identity_cert_expiration_timestamp_seconds",
        "When the leaf certificate expires.",
        readings.certificateExpiryMs / 1000,
      ),
      merge: "min",
    },
    gauge("atoll_proxy_buffered_bytes", "Bytes that wait to be passed on or written.", readings.bufferedBytes),
    gauge(
      "atoll_proxy_buffered_bytes_limit",
      "Above it requests and connections are refused, by each process.",
      readings.maxBufferedBytes,
    ),
    gauge("process_resident_memory_bytes", "Resident memory of the proxy.", readings.memory.rss),
    gauge("atoll_proxy_heap_bytes", "What of it the JavaScript heap uses.", readings.memory.heapUsed),
  ];
}

function labelsOf(listener: AnyListener): Record<string, string> {
  return { direction: listener.kind, service: listener.config.service, listener: listener.config.listen };
}

function concurrencyReadings(listener: AnyListener): ConcurrencyReading[] {
  const labels = labelsOf(listener);
  const limited =
    listener.kind === "inbound"
      ? [{ labels, controller: listener.concurrency.controller }]
      : listener.clusters.map(({ name, concurrency: { controller } }) => ({
          labels: { ...labels, cluster: name },
          controller,
        }));
  return limited.flatMap(({ controller, ...rest }) => (controller === undefined ? [] : [{ ...rest, controller }]));
}

function isHttp(listener: AnyListener): boolean {
  return listener.config.protocol !== "tcp";
}

function sample(listener: AnyListener, value: number): Sample {
  return { labels: labelsOf(listener), value };
}

function responseSamples(listener: AnyListener): Sample[] {
  if (!isHttp(listener)) return [];
  return Array.from(listener.serving.counters.responses, (value, statusClass) => ({
    labels: {
      ...labelsOf(listener),
      status_class: `${statusClass}xx`,
      classification: statusClass === 5 ? "failure" : "success",
    },
    value,
  })).slice(1);
}

function reasonSamples(listener: AnyListener, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([reason, value]) => ({ labels: { ...labelsOf(listener), reason }, value }));
}

function extAuthzReadings(listener: AnyListener): ExtAuthzReading[] {
  const counters = listener.kind === "inbound" ? listener.extAuthz.counters : undefined;
  return counters === undefined ? [] : [{ labels: labelsOf(listener), counters }];
}

function connectFailureSamples(listener: AnyListener): Sample[] {
  if (listener.kind !== "outbound") return [];
  return listener.clusters.flatMap(({ name, connectFailures }) =>
    Array.from(connectFailures, ([reason, value]) => ({
      labels: { ...labelsOf(listener), cluster: name, reason },
      value,
    })),
  );
}

function endpointSamples(listener: AnyListener): Sample[] {
  if (listener.kind !== "outbound") return [];
  return listener.clusters.map(({ name, endpoints }) => ({
    labels: { ...labelsOf(listener), cluster: name },
    value: endpoints.length,
  }));
}

function callerSamples(listener: AnyListener): Sample[] {
  if (listener.kind !== "inbound") return [];
  return Array.from(listener.callers, ([caller, value]) => ({ labels: { ...labelsOf(listener), caller }, value }));
}

function counter(name: string, help: string, samples: Sample[]): Family {
  return { name, help, type: "counter", samples };
}

function gauge(name: string, help: string, value: number): Family {
  return { name, help, type: "gauge", samples: [{ labels: {}, value }] };
}
