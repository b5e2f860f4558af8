/**
 * Which fields the sender of a message may declare to be meant for this hop alone by naming them in `Connection` (RFC 9110
 * section 7.6.1). Fields that frame, route or authorize a message, or that say who sent it, stay whatever the sender
 * nominates: a client could otherwise make a proxy take away what the application relies on (CVE-2022-1388 and its kind).
 */
const keptNames = new Set([
  "authorization",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "forwarded",
  "grpc-status",
  "host",
  "location",
  "max-forwards",
  "origin",
  "range",
  "set-cookie",
  "trailer",
  "transfer-encoding",
  "traceparent",
  "tracestate",
  "vary",
  "via",
  "www-authenticate",
  "x-real-ip",
  "x-request-id",
]);
/** `x-forwarded-`: the caller's address and certificate. The others carry what a mesh's proxies tell each other. */
const keptPrefixes = ["x-forwarded-", "x-envoy-", "x-atoll-", "x-consul-", "x-b3-", "sec-"];

/** Whether the field of this name, in lower case, goes when the sender nominates it. */
export function canBeNominated(name: string): boolean {
  return !keptNames.has(name) && !keptPrefixes.some((prefix) => name.startsWith(prefix));
}
