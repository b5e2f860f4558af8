/** The cluster's own root of trust: one self-signed certificate that is made once and lives in the replicated log. */
import { type KeyObject, X509Certificate } from "node:crypto";
import { assert } from "../../lib/base/assert.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { CaRootFields } from "../../lib/contract/commands.ts";
import {
  certificateValidity,
  colonHex,
  createCertificate,
  readIssuerNames,
  rfc3339,
} from "../../lib/x509/certificate.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from "../../lib/x509/extensions.ts";
import { checkKey, generateKey, subjectKeyId } from "../../lib/x509/keys.ts";
import { commonName } from "../../lib/x509/names.ts";
import { encodePem } from "../../lib/x509/pem.ts";

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
      extensions: authorityExtensions({ keyId, issuerKeyId: keyId, trustDomain }),
    },
    key.privateKey,
  );
  return describeRoot({
    certificate: new X509Certificate(certPem),
    privateKey: key.privateKey,
    clusterId,
    trustDomain,
  });
}

/** Of a certificate over the key of a root, whoever signs it. */
export function authorityExtensions(of: {
  readonly keyId: Buffer;
  readonly issuerKeyId: Buffer;
  readonly trustDomain: string;
}) {
  return [
    basicConstraints(true),
    keyUsage("authority"),
    subjectKeyIdentifier(of.keyId),
    authorityKeyIdentifier(of.issuerKeyId),
    subjectAltName([{ type: "uri", value: `spiffe://${of.trustDomain}` }]),
  ];
}

/** What the state keeps of a root. */
export function describeRoot(root: {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
  readonly clusterId: string;
  readonly trustDomain: string;
}): CaRootFields {
  const { certificate, privateKey, clusterId, trustDomain } = root;
  const certPem = encodePem("CERTIFICATE", certificate.raw);
  const { notBeforeMs, notAfterMs } = certificateValidity(certificate);
  const checked = checkKey(certificate.publicKey);
  assert(checked.ok, "the key of a root has been checked");
  return {
    id: rootIdOf(certPem),
    name: "Consul CA Primary Cert",
    clusterId,
    trustDomain,
    serialNumber: Number.parseInt(certificate.serialNumber, 16),
    signingKeyId: colonHex(readIssuerNames(certificate).keyId),
    notBefore: rfc3339(notBeforeMs),
    notAfter: rfc3339(notAfterMs),
    certPem,
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    privateKeyType: checked.key.type,
    privateKeyBits: checked.key.bits,
  };
}

/** A root's id: SHA-1 of its certificate, colon-separated lower hex, as Consul names its roots. */
export function rootIdOf(certPem: string): string {
  return new X509Certificate(certPem).fingerprint.toLowerCase();
}

/** Whole seconds, the finest that a certificate can say. */
export function wholeSeconds(epochMs: number): number {
  return Math.floor(epochMs / 1000) * 1000;
}

/** At most 64 characters are allowed, so the cluster's UUID is cut to its first eight. */
function rootCommonName(unique: Uint8Array, clusterId: string): string {
  return `pri-${Buffer.from(unique).toString("hex")}.consul.ca.${clusterId.slice(0, 8)}.consul`;
}
