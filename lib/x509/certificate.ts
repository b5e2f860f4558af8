/** X.509 version 3 certificates (RFC 5280): built with node-forge's ASN.1, signed by node:crypto. */
import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import { mustGet } from "../base/assert.ts";
import {
  bitString,
  contextConstructed,
  contextItems,
  type DerNode,
  decodeDer,
  encodeDer,
  integer,
  octetBytes,
  sequence,
  sequenceItems,
  time,
} from "./der.ts";
import { extensionOids, readExtensions } from "./extensions.ts";
import { publicKeyInfo, subjectKeyId } from "./keys.ts";
import { decodeAlternativeNames } from "./names.ts";
import { encodePem } from "./pem.ts";
import { signatureAlgorithm, signBytes } from "./signatures.ts";

export interface CertificateFields {
  /** Big-endian, positive. */
  readonly serialNumber: Uint8Array;
  readonly issuer: DerNode;
  readonly subject: DerNode;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: KeyObject;
  readonly extensions: readonly DerNode[];
}

/** Builds a certificate, signs it with the issuer's key and returns it in PEM. */
export function createCertificate(fields: CertificateFields, issuerKey: KeyObject): string {
  const algorithm = signatureAlgorithm(issuerKey);
  const body = sequence(
    contextConstructed(0, integer(Uint8Array.of(2))),
    integer(fields.serialNumber),
    algorithm,
    fields.issuer,
    sequence(time(fields.notBeforeMs), time(fields.notAfterMs)),
    fields.subject,
    publicKeyInfo(fields.publicKey),
    contextConstructed(3, sequence(...fields.extensions)),
  );
  const signature = bitString(signBytes(issuerKey, encodeDer(body)));
  return encodePem("CERTIFICATE", encodeDer(sequence(body, algorithm, signature)));
}

/** What a certificate signed by this one has to repeat: its subject, byte for byte, and its key identifier. */
export interface IssuerNames {
  readonly subject: DerNode;
  readonly keyId: Buffer;
}

/** Reads {@link IssuerNames} from a certificate of our own authority. */
export function readIssuerNames(certificate: X509Certificate): IssuerNames {
  const keyId = octetBytes(extensionValue(certificate, extensionOids.subjectKeyId));
  return {
    subject: mustGet(bodyFields(certificate)[5], "a version 3 certificate has a subject"),
    keyId: keyId ?? subjectKeyId(certificate.publicKey),
  };
}

/** A certificate from PEM or DER; undefined when it cannot be read. */
export function readCertificate(encoded: string | Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(encoded);
  } catch {
    return undefined;
  }
}

/** Whether `issuer` signed `certificate`: names and signature both. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export function certificateValidity(certificate: X509Certificate): Validity {
  return { notBeforeMs: Date.parse(certificate.validFrom), notAfterMs: Date.parse(certificate.validTo) };
}

export function isCurrentlyValid(certificate: X509Certificate, nowMs: number): boolean {
  const { notBeforeMs, notAfterMs } = certificateValidity(certificate);
  return nowMs >= notBeforeMs && nowMs <= notAfterMs;
}

/**
 * The URI names of a certificate, read from its bytes: the text form that node:crypto offers has been ambiguous before
 * (CVE-2021-44532).
 */
export function uriNames(certificate: X509Certificate): readonly string[] {
  return namesOf(certificate, "uri");
}

/** The DNS names of a certificate, read from its bytes for the same reason. */
export function dnsNames(certificate: X509Certificate): readonly string[] {
  return namesOf(certificate, "dns");
}

function namesOf(certificate: X509Certificate, type: "uri" | "dns"): readonly string[] {
  const names = decodeAlternativeNames(extensionValue(certificate, extensionOids.subjectAltName)) ?? [];
  return names.filter((name) => name.type === type).map((name) => name.value);
}

/** SHA-256 of the DER in lower hex: what a join token pins. */
export function certificateHash(certificate: X509Certificate): string {
  return createHash("sha256").update(certificate.raw).digest("hex");
}

/** Bytes as lower hex pairs with colons between them, as Consul writes serial numbers and fingerprints. */
export function colonHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** A time of a certificate, in whole seconds, as the API writes it. */
export function rfc3339(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(".000Z", "Z");
}

function bodyFields(certificate: X509Certificate): readonly DerNode[] {
  return sequenceItems(sequenceItems(decodeDer(certificate.raw))?.[0]) ?? [];
}

function extensionValue(certificate: X509Certificate, wanted: string): DerNode | undefined {
  const extensions = bodyFields(certificate).flatMap((field) => readExtensions(contextItems(field, 3)?.[0]) ?? []);
  return extensions.find((found) => found.oid === wanted)?.value;
}
