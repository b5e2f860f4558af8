/**
 * What may not stand in a trailer section (RFC 9110 section 6.5.1): fields that frame, route, authenticate or describe the
 * message, or belong to the connection. One reader merges trailers into the head and another does not, so they would be
 * two messages.
 */
const forbiddenNames = new Set([
  "authorization",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "max-forwards",
  "proxy-authorization",
  "proxy-connection",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-real-ip",
]);
/** Who called, from where, and what the proxies of a mesh tell each other. */
const forbiddenPrefixes = ["x-forwarded-", "x-envoy-", "x-atoll-", "x-consul-"];

/** `name` in lower case. */
export function isForbiddenTrailer(name: string): boolean {
  return forbiddenNames.has(name) || forbiddenPrefixes.some((prefix) => name.startsWith(prefix));
}
