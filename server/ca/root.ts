/** The cluster's own root of trust: one self-signed certificate that is made once and lives in the replicated log. */
import { X509Certificate } from "node:crypto";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { CaRootFields } from "../../lib/contract/commands.ts";
import { colonHex, createCertificate, rfc3339 } from "../../lib/x509/certificate.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from "../../lib/x509/extensions.ts";
import { generateKey, subjectKeyId } from "../../lib/x509/keys.ts";
import { commonName } from "../../lib/x509/names.ts";

const rootLifetimeMs = 10 * 365 * 24 * 3_600_000;
/** Clocks of a fleet disagree: what is issued now must be valid on a machine that is a little behind. */
export const backdateMs = 60_000;

/** Makes a key and a root certificate of the cluster over it. Consul's names, so that users find what they know. */
export function createRoot(runtime: Runtime, clusterId: string = runtime.random.uuid()): CaRootFields {
  const trustDomain = `${clusterId}.consul`;
  const key = generateKey();
  const keyId = subjectKeyId(key.publicKey);
  // 48 bits: Consul's API answers the root's serial number as a JSON number, which has to stay exact.
  const serialNumber = Uint8Array.of(1, ...runtime.random.bytes(5));
  const notBeforeMs = wholeSeconds(runtime.clock.nowMs() - backdateMs);
  const notAfterMs = notBeforeMs + rootLifetimeMs;
  const subject = commonName(rootCommonName(runtime.random.bytes(4), clusterId));
  const certPem = createCertificate(
    {
      serialNumber,
      issuer: subject,
      subject,
      notBeforeMs,
      notAfterMs,
      publicKey: key.publicKey,
      extensions: [
        basicConstraints(true),
        keyUsage("authority"),
        subjectKeyIdentifier(keyId),
        authorityKeyIdentifier(keyId),
        subjectAltName([{ type: "uri", value: `spiffe://${trustDomain}` }]),
      ],
    },
    key.privateKey,
  );
  return {
    id: new X509Certificate(certPem).fingerprint.toLowerCase(),
    name: "Consul CA Primary Cert",
    clusterId,
    trustDomain,
    serialNumber: Number.parseInt(Buffer.from(serialNumber).toString("hex"), 16),
    signingKeyId: colonHex(keyId),
    notBefore: rfc3339(notBeforeMs),
    notAfter: rfc3339(notAfterMs),
    certPem,
    privateKeyPem: key.privateKeyPem,
    privateKeyType: "ec",
    privateKeyBits: 256,
  };
}

/** Whole seconds, the finest that a certificate can say. */
export function wholeSeconds(epochMs: number): number {
  return Math.floor(epochMs / 1000) * 1000;
}

/** At most 64 characters are allowed, so the cluster's UUID is cut to its first eight. */
function rootCommonName(unique: Uint8Array, clusterId: string): string {
  return `pri-${Buffer.from(unique).toString("hex")}.consul.ca.${clusterId.slice(0, 8)}.consul`;
}
