import type { FastifyReply, FastifyRequest } from "fastify";
import { Counter } from "prom-client";
import type { Registry } from "prom-client";

/** Counts of the HTTP edge. Labels are bounded: the route's pattern and not the URL, and reasons from a fixed list. */
export interface RequestMetrics {
  count(request: FastifyRequest, reply: FastifyReply): void;
  /** Counts one more of these at every call. */
  counter(method: string, route: string, status: number): () => void;
  /** Bytes that were no HTTP request; `code` is the parser's. */
  countMalformed(code: string | undefined): void;
}

const requestsName = "atoll_agent_http_requests_total";
const malformedName = "atoll_agent_http_malformed_requests_total";

export function createRequestMetrics(registry: Registry): RequestMetrics {
  const requests = counter(registry, {
    name: requestsName,
    help: "HTTP requests answered, by route pattern, method and status.",
    labelNames: ["method", "route", "status"],
  });
  const malformed = counter(registry, {
    name: malformedName,
    help: "Connections closed because their bytes were no acceptable HTTP request, by reason.",
    labelNames: ["reason"],
  });
  // Finding a series by its labels costs a microsecond; there are few, since labels are bounded.
  const series = new Map<string, () => void>();
  const counterOf: RequestMetrics["counter"] = (method, route, status) => {
    const key = `${method} ${status} ${route}`;
    const known = series.get(key);
    if (known !== undefined) return known;
    const child = requests.labels({ method, route, status: String(status) });
    const count = (): void => child.inc();
    series.set(key, count);
    return count;
  };
  return {
    count: (request, reply) => counterOf(request.method, request.routeOptions.url ?? "unmatched", reply.statusCode)(),
    counter: counterOf,
    countMalformed: (code) => malformed.inc({ reason: malformedReason(code) }),
  };
}

function malformedReason(code: string | undefined): string {
  if (code === "HPE_HEADER_OVERFLOW") return "headers_too_large";
  if (code === "HPE_INVALID_METHOD") return "not_http";
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "timeout";
  if (code === "ECONNRESET") return "connection_reset";
  return "bad_syntax";
}

/** Two apps of one process (a test, an agent that restarts its listener) share the series of their registry. */
function counter(
  registry: Registry,
  spec: { readonly name: string; readonly help: string; readonly labelNames: string[] },
): Counter {
  const existing = registry.getSingleMetric(spec.name);
  return existing instanceof Counter ? existing : new Counter({ ...spec, registers: [registry] });
}
