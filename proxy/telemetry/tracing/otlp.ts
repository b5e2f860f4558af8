import { maskedUrl } from "../../../lib/contract/secret-fields.ts";
import type { Observation } from "../../exchange/observation.ts";
import type { ListenerObserver } from "../listener-observer.ts";
import { grpcStatus, isError, isFailure, responseDetails } from "../outcome.ts";
import { responseFlags } from "../response-flags.ts";
import type { Span } from "./span.ts";

/** A span as OTLP has it in JSON (opentelemetry-proto, `Span`; ids in hex, 64-bit numbers as text). */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number; readonly message?: string };
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

const kinds = { inbound: 2, outbound: 3 } as const;
const errorCode = 2;
const maxPathLength = 1_024;

/**
 * The span of a request that is over: a server's on the inbound side and a client's on the outbound one, with OpenTelemetry's names for what
 * it knows. A path is without its query, which may hold anything.
 */
export function otlpSpan(
  span: Span,
  observation: Observation,
  { from, startedWallMs }: { readonly from: ListenerObserver; readonly startedWallMs: number },
): OtlpSpan {
  const { head, route, status, endpoint, peer, attempts, startedMs, endedMs, version } = observation;
  const method = head?.method ?? "";
  const path = maskedUrl((head?.path ?? "").split("?")[0]?.slice(0, maxPathLength) ?? "");
  const flags = responseFlags(observation);
  const grpc = grpcStatus(observation);
  const hasFailed = from.direction === "inbound" ? isFailure(observation) : isError(observation);
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    traceState: span.state,
    flags: span.flags,
    name: route === "" ? method || "HTTP" : `${method} ${route}`,
    kind: kinds[from.direction],
    startTimeUnixNano: unixNano(startedWallMs),
    endTimeUnixNano: unixNano(startedWallMs + (endedMs - startedMs)),
    attributes: [
      text("http.request.method", method),
      text("url.path", path),
      text("server.address", head?.authority ?? ""),
      text("network.protocol.version", version.slice("HTTP/".length)),
      ...(status === 0 ? [] : [integer("http.response.status_code", status)]),
      ...(grpc < 0 ? [] : [integer("rpc.grpc.status_code", grpc)]),
      ...(endpoint === "" ? [] : [text("network.peer.address", endpoint)]),
      ...(attempts > 1 ? [integer("http.request.resend_count", attempts - 1)] : []),
      ...(route === "" ? [] : [text("http.route", route)]),
      text("atoll.service", from.facts.service),
      text("atoll.direction", from.direction),
      ...(peer.peerUri === "" ? [] : [text("atoll.caller", peer.peerUri)]),
      ...(flags === "" ? [] : [text("atoll.response_flags", flags)]),
    ],
    status: hasFailed ? { code: errorCode, message: responseDetails(observation) } : {},
  };
}

export function otlpBody(serviceName: string, spans: readonly OtlpSpan[]): string {
  const resource = { attributes: [text("service.name", serviceName)] };
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "atoll.proxy" }, spans }] }] });
}

function text(key: string, value: string): Attribute {
  return { key, value: { stringValue: value } };
}

function integer(key: string, value: number): Attribute {
  return { key, value: { intValue: `${value}` } };
}

/** To the microsecond: a number of nanoseconds is more than a double holds. */
function unixNano(wallMs: number): string {
  return `${Math.round(wallMs * 1_000)}000`;
}
