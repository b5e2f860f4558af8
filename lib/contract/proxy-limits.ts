import { Type } from "typebox";
import type { Static } from "typebox";
import Value from "typebox/value";

/**
 * What a proxy spends on its peers at most: the `limits` of its document. One set for the proxy as a whole; connections take
 * the limits that are in force when they begin. Where Envoy or HAProxy has a well-known default it is ours too, and is named.
 *
 * Rates of HTTP/2 are buckets: `burst` at once, refilled by `perSecond`.
 */
const Count = (fallback: number, maximum: number, description: string) =>
  Type.Integer({ minimum: 1, maximum, default: fallback, description });
const Bytes = (fallback: number, range: { readonly minimum: number; readonly maximum: number }, description: string) =>
  Type.Integer({ ...range, default: fallback, description });
const Milliseconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 86_400_000, default: fallback, description });
const Rate = (burst: number, perSecond: number, description: string) =>
  Type.Object(
    { burst: Count(burst, 1_000_000, "at once"), perSecond: Count(perSecond, 1_000_000, "refilled per second") },
    { additionalProperties: false, default: {}, description },
  );

/** No head has more fields, whatever is configured: parsers are made for so many. */
export const largestFieldCount = 1_000;
const mebibyte = 1024 * 1024;
/** No head is larger, whatever is configured. */
export const largestHeadBytes = mebibyte;
const headRange = { minimum: 1024, maximum: largestHeadBytes };

const Http1LimitsSchema = Type.Object(
  {
    maxHeadBytes: Bytes(60 * 1024, headRange, "start line and fields; Envoy's max_request_headers_kb"),
    maxFields: Count(100, largestFieldCount, "fields of a head; Envoy's max_headers_count"),
    maxConnectionOptions: Count(32, 1_000, "names that the Connection fields of one head may nominate"),
    maxChunkExtensionBytes: Bytes(1024, { minimum: 1, maximum: mebibyte }, "of one chunk; HAProxy and Envoy have none"),
    maxBodyExtensionBytes: Bytes(
      16 * 1024,
      { minimum: 1, maximum: 64 * mebibyte },
      "of all chunks of a body, beyond as many as there are data bytes; Node.js's",
    ),
    maxTrailerBytes: Bytes(16 * 1024, { minimum: 1, maximum: mebibyte }, "trailers of a chunked body"),
    maxTrailers: Count(64, largestFieldCount, "fields of them"),
    headTimeoutMs: Milliseconds(
      60_000,
      "from a head's first byte to its last; Envoy has no default, this is Node.js's",
    ),
    stalledReadMs: Milliseconds(60_000, "what is written waits so long for a peer that reads nothing"),
    lingerMs: Milliseconds(5_000, "how long is listened on after the last word, so that no reset takes it away"),
  },
  { additionalProperties: false, default: {}, description: "of HTTP/1.1" },
);

const Http2LimitsSchema = Type.Object(
  {
    maxConcurrentStreams: Count(256, 100_000, "SETTINGS_MAX_CONCURRENT_STREAMS; HAProxy has 100, Envoy 1024"),
    maxHeaderListBytes: Bytes(60 * 1024, headRange, "a header list by RFC 9113 section 6.5.2; Envoy's value"),
    maxFields: Count(100, largestFieldCount, "fields of a header list; Envoy's max_headers_count"),
    maxHeaderBlockBytes: Bytes(64 * 1024, headRange, "a header block as it is on the wire, all its frames"),
    maxContinuationFrames: Count(16, 1_000, "CONTINUATION frames of one header block"),
    headerTableBytes: Type.Integer({
      minimum: 0,
      maximum: mebibyte,
      default: 4096,
      description: "the RFC's, for HPACK",
    }),
    maxFrameBytes: Bytes(16_384, { minimum: 16_384, maximum: 0xff_ffff }, "SETTINGS_MAX_FRAME_SIZE; the RFC's"),
    streamWindowBytes: Bytes(256 * 1024, { minimum: 65_535, maximum: 0x7fff_ffff }, "unread on one stream"),
    connectionWindowBytes: Bytes(mebibyte, { minimum: 65_535, maximum: 0x7fff_ffff }, "on the way on one connection"),
    maxUnreadBytes: Bytes(16 * mebibyte, { minimum: 65_535, maximum: 1024 * mebibyte }, "unread, all streams together"),
    maxOutputBytes: Bytes(256 * 1024, { minimum: 16_384, maximum: 64 * mebibyte }, "waiting to be written"),
    maxWaitingControlBytes: Bytes(64 * 1024, { minimum: 1024, maximum: mebibyte }, "answers that a peer does not read"),
    resets: Rate(1000, 200, "RST_STREAM on streams that are not finished"),
    provokedResets: Rate(200, 50, "resets that a peer's errors provoke"),
    control: Rate(2000, 500, "PING, SETTINGS, unknown frames, frames for streams that are gone"),
    priority: Rate(500, 50, "PRIORITY"),
    windowUpdates: Rate(5000, 1000, "WINDOW_UPDATE beyond those that data explains"),
    emptyFrames: Rate(200, 50, "frames without a byte that end nothing"),
    stalledWindowMs: Milliseconds(60_000, "bytes wait so long for a window that does not open"),
    headerBlockMs: Milliseconds(10_000, "from a header block's first frame to its last"),
    settingsAckMs: Milliseconds(10_000, "until SETTINGS are acknowledged"),
    lingerMs: Milliseconds(5_000, "how long a connection that was ended may take to deliver its last words"),
  },
  { additionalProperties: false, default: {}, description: "of HTTP/2" },
);

export const ProxyLimitsSchema = Type.Object(
  {
    http1: Http1LimitsSchema,
    http2: Http2LimitsSchema,
    connections: Type.Object(
      {
        maxPerSource: Count(32_768, 1_000_000, "of one listener: of one caller's SPIFFE id, else of one address"),
        maxRequests: Count(2_147_483_647, 2_147_483_647, "carried by one connection; Envoy's, which is no limit"),
        maxPoolSessions: Count(8, 1_000, "HTTP/2 connections to one endpoint; more only when those there are full"),
        maxPoolIdle: Count(1_024, 65_535, "idle HTTP/1.1 connections kept for one endpoint"),
      },
      { additionalProperties: false, default: {}, description: "how many connections there may be" },
    ),
    handshakes: Type.Object(
      {
        maxUnderWay: Count(1_024, 65_535, "TLS handshakes of one listener that have begun and not ended"),
        timeoutMs: Milliseconds(5_000, "for one handshake"),
      },
      { additionalProperties: false, default: {}, description: "TLS from the mesh" },
    ),
    admin: Type.Object(
      {
        maxConnections: Count(64, 65_535, "of the admin address"),
        idleTimeoutMs: Milliseconds(60_000, "of its connections"),
      },
      { additionalProperties: false, default: {}, description: "the admin address" },
    ),
    memory: Type.Object(
      {
        maxBufferedBytes: Bytes(
          256 * mebibyte,
          { minimum: 65_536, maximum: 1024 * 1024 * mebibyte },
          "received and not passed on, or not written yet: above it requests and connections are refused",
        ),
      },
      { additionalProperties: false, default: {}, description: "what waits in memory" },
    ),
  },
  {
    additionalProperties: false,
    default: {},
    description: "what the proxy spends on its peers at most; connections keep the limits that they began with",
  },
);

export type ProxyLimits = Static<typeof ProxyLimitsSchema>;
export type Http1Limits = ProxyLimits["http1"];
export type HandshakeLimits = ProxyLimits["handshakes"];

/** The limits of a document that says nothing about them. */
export const defaultProxyLimits: ProxyLimits = Value.Parse(ProxyLimitsSchema, Value.Default(ProxyLimitsSchema, {}));
