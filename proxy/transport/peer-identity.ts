import type { X509Certificate } from "node:crypto";
import { parseSpiffeId } from "../../lib/contract/spiffe.ts";
import type { PeerCertificate } from "./transport.ts";

/**
 * The SPIFFE URI of a certificate from its subject alternative names as `node:crypto` prints them
 * (`URI:spiffe://..., DNS:web`). Exactly one URI name is allowed (X.509-SVID 2); names that need quoting could hide a
 * second one, so they are refused too.
 */
export function spiffeUriOfNames(subjectAltName: string | undefined): string | undefined {
  if (subjectAltName === undefined || subjectAltName.includes('"') || subjectAltName.includes("\0")) return undefined;
  const uris = subjectAltName.split(", ").filter((name) => name.startsWith("URI:"));
  const uri = uris[0]?.slice("URI:".length);
  if (uri === undefined || uris.length !== 1) return undefined;
  return parseSpiffeId(uri)?.kind === "service" ? uri : undefined;
}

/** What is told about a certificate. `node:crypto` prints a subject a line per part, the most general first. */
export function peerCertificateOf(certificate: X509Certificate | undefined): PeerCertificate | undefined {
  if (certificate === undefined) return undefined;
  return {
    hash: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    subject: (certificate.subject ?? "").split("\n").reverse().join(","),
  };
}

/** Whether a certificate is no longer valid; one that is missing or does not say how long counts as expired. */
export function hasExpired(leaf: Pick<X509Certificate, "validTo"> | undefined, nowMs: number): boolean {
  const notAfterMs = leaf === undefined ? Number.NaN : Date.parse(leaf.validTo);
  return !(notAfterMs > nowMs);
}
