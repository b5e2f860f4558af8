import { Type } from "typebox";
import type { Static } from "typebox";
import Value from "typebox/value";
import { readAccessLogFormat } from "./access-log-format.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * What a proxy tells of its requests: the `telemetry` of its document. Everything is off by default, and what is off costs a request
 * nothing; the counters of listeners under `/metrics` are there in any case.
 */
const section = (description: string) => ({ additionalProperties: false, default: {}, description });
const Format = (fallback: string, description: string) =>
  Type.String({ maxLength: 8_192, default: fallback, description });

/** Envoy's own, so that what reads its lines reads these, and behind it the cluster, the details, who called and the route. */
export const defaultTextFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %RESPONSE_CODE_DETAILS% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_PEER_URI_SAN% %ROUTE_NAME%';
/** The keys are Consul's, without those of which this proxy knows nothing, and with the caller and the trace. */
export const defaultJsonFormat: Readonly<Record<string, string>> = {
  start_time: "%START_TIME%",
  route_name: "%ROUTE_NAME%",
  method: "%REQ(:METHOD)%",
  path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
  protocol: "%PROTOCOL%",
  response_code: "%RESPONSE_CODE%",
  response_flags: "%RESPONSE_FLAGS%",
  response_code_details: "%RESPONSE_CODE_DETAILS%",
  bytes_received: "%BYTES_RECEIVED%",
  bytes_sent: "%BYTES_SENT%",
  duration: "%DURATION%",
  upstream_service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
  x_forwarded_for: "%REQ(X-FORWARDED-FOR)%",
  user_agent: "%REQ(USER-AGENT)%",
  request_id: "%REQ(X-REQUEST-ID)%",
  authority: "%REQ(:AUTHORITY)%",
  upstream_host: "%UPSTREAM_HOST%",
  upstream_cluster: "%UPSTREAM_CLUSTER%",
  downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%",
  downstream_peer: "%DOWNSTREAM_PEER_URI_SAN%",
  trace_id: "%TRACE_ID%",
};

const AccessLogSchema = Type.Object(
  {
    enabled: Type.Boolean({ default: false, description: "whether requests are logged" }),
    format: Type.Enum(["json", "text"], { default: "json", description: "of the lines" }),
    path: Type.String({
      pattern: "^(?:stdout|stderr|/.{1,4000})$",
      default: "stdout",
      description:
        "stdout, stderr, or the absolute path of a file, made with mode 0600 and made again when it was moved away",
    }),
    jsonFormat: Type.Record(Type.String({ minLength: 1, maxLength: 128 }), Format("", "a value"), {
      maxProperties: 64,
      default: { ...defaultJsonFormat },
      description:
        "keys and values with Envoy's command operators; a value of one operator alone keeps its type, and is null when absent; one that names a field with a secret is refused",
    }),
    textFormat: Format(defaultTextFormat, "a line with Envoy's command operators"),
    sample: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 1,
      description: "the part of them that is logged, by chance",
    }),
    onlyErrors: Type.Boolean({
      default: false,
      description: "only a status of 400 and more or none, a gRPC status other than 0, or a response flag",
    }),
    maxWaitingBytes: Type.Integer({
      minimum: 4_096,
      maximum: 1 << 30,
      default: 1 << 20,
      description: "of lines that wait for a slow file or reader; more are dropped and counted",
    }),
  },
  section("a line for every request"),
);

export const metricNames = ["own", "linkerd", "istio"] as const;
export type MetricName = (typeof metricNames)[number];

const MetricsSchema = Type.Object(
  {
    names: Type.Array(Type.Enum([...metricNames]), {
      maxItems: metricNames.length,
      uniqueItems: true,
      default: [],
      description:
        "under which names: own is atoll_proxy_requests_total and others; those of linkerd take the place of the listeners' totals of the same name",
    }),
    maxSeries: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 1_000,
      description:
        "combinations of labels at most, divided among the proxy's processes; a histogram is one; requests beyond that count in one called overflow",
    }),
    idleExpiryMs: Type.Integer({
      minimum: 1_000,
      maximum: 86_400_000,
      default: 600_000,
      description: "a combination that no request has had for so long is forgotten; Linkerd's",
    }),
  },
  section("golden metrics by caller, route, cluster and status, beside the totals of each listener"),
);

const TracingSchema = Type.Object(
  {
    propagate: Type.Boolean({
      default: false,
      description:
        "whether the proxy is a span of its own in the W3C trace of each request; if not, traceparent and tracestate go through as they are",
    }),
    sample: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0.01,
      description: "the part of the traces that begin here that is recorded; of others it has been decided; Istio's",
    }),
    otlpEndpoint: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2_048,
        description:
          "URL of the collector of sampled spans, OTLP over HTTP in JSON; /v1/traces is added where it has no path",
      }),
    ),
    serviceName: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description: "service.name of the spans; when absent the service of the leaf certificate",
      }),
    ),
    maxWaitingSpans: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 2_048,
      description: "spans that wait for the collector; more are dropped and counted",
    }),
  },
  section("traces"),
);

const TapSchema = Type.Object(
  {
    maxReaders: Type.Integer({
      minimum: 0,
      maximum: 64,
      default: 8,
      description: "of GET /tap at once; 0 turns it off",
    }),
    maxLinesPerSecond: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 100,
      description: "for each of them; more are dropped and their number told",
    }),
  },
  section("requests as they pass, for those who read /tap on the admin address"),
);

export const ProxyTelemetrySchema = Type.Object(
  { accessLog: AccessLogSchema, metrics: MetricsSchema, tracing: TracingSchema, tap: TapSchema },
  section("what is told of requests; what is off costs them nothing"),
);

export type ProxyTelemetryConfig = Static<typeof ProxyTelemetrySchema>;
export type AccessLogConfig = ProxyTelemetryConfig["accessLog"];
export type MetricsConfig = ProxyTelemetryConfig["metrics"];
export type TracingConfig = ProxyTelemetryConfig["tracing"];
export type TapConfig = ProxyTelemetryConfig["tap"];

/** The telemetry of a document that says nothing about it. */
export const defaultTelemetry: ProxyTelemetryConfig = Value.Parse(
  ProxyTelemetrySchema,
  Value.Default(ProxyTelemetrySchema, {}),
);

/** What a schema cannot say: whether formats and URLs can be used. `path` is where the section stands. */
export function telemetryIssues({ accessLog, tracing }: ProxyTelemetryConfig, path: string): SchemaIssue[] {
  const formats: [string, string][] = [
    [`${path}.accessLog.textFormat`, accessLog.textFormat],
    ...Object.entries(accessLog.jsonFormat).map(([key, format]): [string, string] => [
      `${path}.accessLog.jsonFormat.${key}`,
      format,
    ]),
  ];
  const issues = formats.flatMap(([where, format]) => {
    const reading = readAccessLogFormat(format);
    return reading.ok ? [] : [{ path: where, message: reading.problem }];
  });
  const { otlpEndpoint } = tracing;
  if (otlpEndpoint !== undefined && !isCollectorUrl(otlpEndpoint)) {
    const message = `must be an http or https URL without a user or password, found ${JSON.stringify(otlpEndpoint)}`;
    issues.push({ path: `${path}.tracing.otlpEndpoint`, message });
  }
  if (otlpEndpoint !== undefined && !tracing.propagate) {
    issues.push({ path: `${path}.tracing.otlpEndpoint`, message: "has no effect unless tracing.propagate is true" });
  }
  return issues;
}

function isCollectorUrl(text: string): boolean {
  const url = URL.parse(text);
  return (url?.protocol === "http:" || url?.protocol === "https:") && url.username === "" && url.password === "";
}
