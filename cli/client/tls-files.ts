/** Certificates for HTTPS of agents, and the authority that signs them: what `atoll tls` makes. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { errorMessage } from "../../lib/base/errors.ts";
import { systemRandom } from "../../lib/base/random.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { createCertificate, isIssuedBy, readCertificate, readIssuerNames } from "../../lib/x509/certificate.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  type ExtendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from "../../lib/x509/extensions.ts";
import { generateKey, subjectKeyId } from "../../lib/x509/keys.ts";
import { commonName } from "../../lib/x509/names.ts";

export interface CertificatePair {
  readonly certPem: string;
  readonly keyPem: string;
}

const dayMs = 86_400_000;

export function createAuthority(options: { readonly name: string; readonly days: number }): CertificatePair {
  const key = generateKey();
  const keyId = subjectKeyId(key.publicKey);
  const subject = commonName(options.name);
  const certPem = createCertificate(
    {
      serialNumber: serialNumber(),
      issuer: subject,
      subject,
      ...validity(options.days),
      publicKey: key.publicKey,
      extensions: [
        basicConstraints(true),
        keyUsage("authority"),
        subjectKeyIdentifier(keyId),
        authorityKeyIdentifier(keyId),
      ],
    },
    key.privateKey,
  );
  return { certPem, keyPem: key.privateKeyPem };
}

/** Throws `CERTIFICATE_INVALID` when the authority's files do not belong together. */
export function createLeaf(options: {
  readonly authority: CertificatePair;
  readonly name: string;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly usages: readonly ExtendedKeyUsage[];
  readonly days: number;
}): CertificatePair {
  const { certificate, privateKey } = readAuthority(options.authority);
  const issuer = readIssuerNames(certificate);
  const key = generateKey();
  const certPem = createCertificate(
    {
      serialNumber: serialNumber(),
      issuer: issuer.subject,
      subject: commonName(options.name),
      ...validity(options.days),
      publicKey: key.publicKey,
      extensions: [
        basicConstraints(false),
        keyUsage("leaf"),
        extendedKeyUsage(options.usages),
        subjectKeyIdentifier(subjectKeyId(key.publicKey)),
        authorityKeyIdentifier(issuer.keyId),
        subjectAltName([
          ...options.dnsNames.map((value) => ({ type: "dns" as const, value })),
          ...options.addresses.map((address) => ({ type: "ip" as const, value: addressHex(address) })),
        ]),
      ],
    },
    privateKey,
  );
  const leaf = new X509Certificate(certPem);
  if (!isIssuedBy(leaf, certificate)) throw new AtollError("INTERNAL", "the new certificate does not verify");
  return { certPem, keyPem: key.privateKeyPem };
}

function readAuthority({ certPem, keyPem }: CertificatePair): { certificate: X509Certificate; privateKey: KeyObject } {
  const certificate = readCertificate(certPem);
  if (certificate === undefined) throw new AtollError("CERTIFICATE_INVALID", "the CA's file holds no certificate");
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(keyPem);
  } catch (cause) {
    throw new AtollError("CERTIFICATE_INVALID", `the CA's key cannot be read: ${errorMessage(cause)}`, { cause });
  }
  if (certificate.publicKey.equals(createPublicKey(privateKey))) return { certificate, privateKey };
  throw new AtollError("CERTIFICATE_INVALID", "the CA's key is not that of its certificate");
}

/** Positive, with 64 random bits. */
function serialNumber(): Uint8Array {
  return Uint8Array.of(1, ...systemRandom.bytes(8));
}

function validity(days: number): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  const notBeforeMs = Math.floor(Date.now() / 1000) * 1000 - 60_000;
  return { notBeforeMs, notAfterMs: notBeforeMs + days * dayMs };
}

/** The bytes of an IP address in hex. */
function addressHex(address: string): string {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number)).toString("hex");
  if (isIP(address) !== 6 || address.includes(".")) {
    throw new AtollError("INVALID_ARGUMENT", `-additional-ipaddress must be an IP address, found "${address}"`);
  }
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => text.split(":").filter((group) => group !== "");
  const front = groups(head);
  const back = groups(tail ?? "");
  const middle = new Array<string>(8 - front.length - back.length).fill("0");
  return [...front, ...middle, ...back].map((group) => group.padStart(4, "0")).join("");
}
