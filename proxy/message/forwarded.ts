/**
 * What a message says about the way it came, and who may say it. One rule per field, the same on both sides of a proxy and
 * for both protocols; trailers and `Connection` cannot touch any of these fields (`trailers.ts`, `nominated.ts`).
 *
 * | field | rule |
 * | --- | --- |
 * | X-Forwarded-For, Forwarded, Via | the sender's word, passed on; several become one list, in order (RFC 9110 5.3). A sidecar |
 * |   | adds nothing, as Envoy's under Consul: the hop from an application to its own proxy has no address worth telling |
 * | X-Forwarded-Proto, -Host, -Port, -Prefix, X-Real-IP, X-Request-Id | the sender's word, passed on; two that differ are |
 * |   | refused, since readers take the first or the last; two that agree become one |
 * | X-Forwarded-Proto | where there is none, the last proxy says the `:scheme` that the calling application used (http in |
 * |   | HTTP/1.1), which its callee cannot see over HTTP/1.1. It is the caller's word like the field, and the same that Envoy's |
 * |   | sidecars say; never that the hop between the proxies was encrypted, which it always is |
 * | X-Forwarded-Client-Cert | only what a proxy has verified: see `ClientCertRule` |
 * | X-Atoll-*, and what Envoy says of its own peers | removed: only a proxy could know it, and none of ours sends it on |
 * | any of them with `_` for `-` | removed: an application that reads variables could not tell them apart |
 */
export type ForwardedRule = "list" | "single" | "proxy";

/** How Envoy tells an application who calls. */
export const clientCertField = "x-forwarded-client-cert";
export const protoField = "x-forwarded-proto";

const rules: ReadonlyMap<string, ForwardedRule> = new Map([
  ["x-forwarded-for", "list"],
  ["forwarded", "list"],
  ["via", "list"],
  [clientCertField, "list"],
  [protoField, "single"],
  ["x-forwarded-host", "single"],
  ["x-forwarded-port", "single"],
  ["x-forwarded-prefix", "single"],
  ["x-real-ip", "single"],
  ["x-request-id", "single"],
  ["x-envoy-internal", "proxy"],
  ["x-envoy-external-address", "proxy"],
  ["x-envoy-original-path", "proxy"],
  ["x-envoy-original-host", "proxy"],
  ["x-envoy-peer-metadata", "proxy"],
  ["x-envoy-peer-metadata-id", "proxy"],
]);
const ownPrefix = "x-atoll-";

/** The rule for a field by its name in lower case; undefined for nearly all, at the price of one character. */
export function forwardedRule(name: string): ForwardedRule | undefined {
  const first = name.charCodeAt(0);
  // f, v and x.
  if (first !== 120 && first !== 102 && first !== 118) return undefined;
  const rule = rules.get(name);
  if (rule !== undefined) return rule;
  if (name.startsWith(ownPrefix)) return "proxy";
  if (!name.includes("_")) return undefined;
  const plain = name.replaceAll("_", "-");
  return rules.has(plain) || plain.startsWith(ownPrefix) ? "proxy" : undefined;
}

/**
 * What becomes of X-Forwarded-Client-Cert. `sanitize`: none is passed on. `sanitize-set`: what came is replaced by what this
 * proxy has verified. `append-forward`: what came is kept and the verified element put behind it, so that all but the last
 * are only as good as the caller; for callers that are gateways of other callers.
 */
export type ClientCertRule = "sanitize" | "sanitize-set" | "append-forward";

export interface VerifiedCaller {
  /** SPIFFE URIs of this proxy and of the caller. */
  readonly ownUri: string;
  readonly callerUri: string;
  readonly certificate: { readonly hash: string; readonly subject: string } | undefined;
}

/** One element in Envoy's format. */
export function clientCertElement({ ownUri, callerUri, certificate }: VerifiedCaller): string {
  const known = certificate === undefined ? "" : `Hash=${certificate.hash};Subject=${quoted(certificate.subject)};`;
  return `By=${ownUri};${known}URI=${callerUri}`;
}

function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
