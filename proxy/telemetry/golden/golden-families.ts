import type { MetricsConfig } from "../../../lib/contract/proxy-telemetry.ts";
import { parseSpiffeId } from "../../../lib/contract/spiffe.ts";
import { type Family, histogramSamples, type Sample } from "../exposition.ts";
import type { Histogram } from "./histogram.ts";
import type { Series, SeriesLabels } from "./series.ts";
import { overflow } from "./series-table.ts";

type Labels = Readonly<Record<string, string>>;
export type NameSet = MetricsConfig["names"][number];

/** The same series under the names, units and labels that users of each mesh have in their dashboards. */
export function goldenFamilies(names: readonly NameSet[], series: readonly Series[], ownUri: string): Family[] {
  return names.flatMap((name) => {
    if (name === "own") return ownFamilies(series);
    return name === "linkerd" ? linkerdFamilies(series) : istioFamilies(series, ownUri);
  });
}

function ownFamilies(series: readonly Series[]): Family[] {
  const labels = (one: SeriesLabels): Labels => ({
    ...place(one),
    caller: one.caller,
    route: one.route,
    cluster: one.cluster,
    protocol: one.protocol,
    status_code: one.status,
    grpc_status: one.grpcStatus,
    response_flags: one.flags,
  });
  return [
    counter("atoll_proxy_requests_total", "HTTP requests that are over; status 0 is no response.", series, (one) => ({
      labels: labels(one.labels),
      value: one.requests,
    })),
    histogram(
      "atoll_proxy_request_duration_seconds",
      "From a request's head to the end of its response.",
      series,
      (one) => histogramSamples(labels(one.labels), scaled(one.durationMs, 1_000)),
    ),
    histogram(
      "atoll_proxy_response_latency_seconds",
      "From a request's head to the first byte of its response.",
      series,
      (one) => histogramSamples(labels(one.labels), scaled(one.firstByteMs, 1_000)),
    ),
    counter("atoll_proxy_request_bytes_total", "Bytes of requests' bodies.", series, (one) => ({
      labels: labels(one.labels),
      value: one.requestBytes.sum,
    })),
    counter("atoll_proxy_response_bytes_total", "Bytes of responses' bodies.", series, (one) => ({
      labels: labels(one.labels),
      value: one.responseBytes.sum,
    })),
  ];
}

/** Requests and responses have labels of their own; latency is to the first byte, in milliseconds. */
function linkerdFamilies(series: readonly Series[]): Family[] {
  const request = (one: SeriesLabels): Labels => ({
    ...place(one),
    tls: "true",
    client_id: one.caller,
    dst_service: one.cluster,
    rt_route: one.route,
  });
  const response = (one: SeriesLabels): Labels => ({
    ...request(one),
    status_code: one.status,
    grpc_status_code: one.grpcStatus,
    classification: one.status === overflow ? overflow : one.isFailure ? "failure" : "success",
  });
  const answered = series.filter(({ responses }) => responses > 0);
  return [
    counter("request_total", "HTTP requests that are over.", series, (one) => ({
      labels: request(one.labels),
      value: one.requests,
    })),
    counter("response_total", "HTTP responses sent.", answered, (one) => ({
      labels: response(one.labels),
      value: one.responses,
    })),
    histogram(
      "response_latency_ms",
      "Milliseconds from a request's head to the first byte of its response.",
      answered,
      (one) => histogramSamples(response(one.labels), one.firstByteMs),
    ),
  ];
}

function istioFamilies(series: readonly Series[], ownUri: string): Family[] {
  const labels = (one: SeriesLabels): Labels => {
    const isSource = one.direction === "outbound";
    const source = one.status === overflow ? overflow : isSource ? ownUri : one.caller;
    const destination = one.status === overflow || isSource ? "" : ownUri;
    const called = isSource ? one.cluster || one.service : one.service;
    return {
      reporter: isSource ? "source" : "destination",
      ...party("source", source, serviceOf(source)),
      ...party("destination", destination || "unknown", called),
      destination_service: called,
      destination_service_name: called,
      destination_service_namespace: "default",
      request_protocol: one.protocol,
      response_code: one.status,
      grpc_response_status: one.grpcStatus,
      response_flags: one.flags || "-",
      // The source does not know it there, says Istio.
      connection_security_policy: isSource ? "unknown" : "mutual_tls",
    };
  };
  return [
    counter("istio_requests_total", "HTTP requests that are over; code 0 is no response.", series, (one) => ({
      labels: labels(one.labels),
      value: one.requests,
    })),
    histogram(
      "istio_request_duration_milliseconds",
      "From a request's head to the end of its response.",
      series,
      (one) => histogramSamples(labels(one.labels), one.durationMs),
    ),
    histogram("istio_request_bytes", "Bytes of requests' bodies.", series, (one) =>
      histogramSamples(labels(one.labels), one.requestBytes),
    ),
    histogram("istio_response_bytes", "Bytes of responses' bodies.", series, (one) =>
      histogramSamples(labels(one.labels), one.responseBytes),
    ),
  ];
}

function party(side: "source" | "destination", principal: string, service: string): Labels {
  return {
    [`${side}_principal`]: principal,
    [`${side}_app`]: service,
    [`${side}_workload`]: service,
    [`${side}_workload_namespace`]: "default",
    [`${side}_canonical_service`]: service,
  };
}

function serviceOf(uri: string): string {
  if (uri === overflow) return overflow;
  const id = parseSpiffeId(uri);
  return id?.kind === "service" ? id.service : "unknown";
}

function place({ direction, service, listen }: SeriesLabels): Labels {
  return { direction, service, listener: listen };
}

function scaled({ bounds, buckets, sum }: Histogram, by: number) {
  return { bounds: bounds.map((bound) => bound / by), buckets, sum: sum / by };
}

function counter(name: string, help: string, series: readonly Series[], read: (one: Series) => Sample): Family {
  return { name, help, type: "counter", isBudgeted: true, samples: series.map(read) };
}

function histogram(name: string, help: string, series: readonly Series[], read: (one: Series) => Sample[]): Family {
  return { name, help, type: "histogram", isBudgeted: true, samples: series.flatMap(read) };
}
