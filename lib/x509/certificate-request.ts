/** PKCS#10 certification requests (RFC 2986): hosts build them, servers read them. */
import type { KeyObject } from "node:crypto";
import {
  bitString,
  bitStringBytes,
  contextConstructed,
  contextItems,
  type DerNode,
  decodeDer,
  encodeDer,
  integer,
  isBooleanTrue,
  oid,
  oidText,
  sequence,
  sequenceItems,
  set,
  setItems,
} from "./der.ts";
import { extensionOids, type ReadExtension, readExtensions, subjectAltName } from "./extensions.ts";
import { publicKeyInfo, readPublicKey } from "./keys.ts";
import { type AlternativeName, commonName, decodeAlternativeNames, nameValues } from "./names.ts";
import { decodePem, encodePem } from "./pem.ts";
import { isSignatureValid, signatureAlgorithm, signBytes } from "./signatures.ts";

const extensionRequestOid = "1.2.840.113549.1.9.14";

/** A request of ours has under 1 KB; RSA 8192 with long names stays below this. */
export const maxRequestBytes = 16 * 1024;

export interface RequestOptions {
  readonly commonName: string;
  readonly names: Parameters<typeof subjectAltName>[0];
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A request in PEM, signed with the key that it is for. */
export function createCertificateRequest(options: RequestOptions): string {
  const attributes = sequence(oid(extensionRequestOid), set(sequence(subjectAltName(options.names))));
  const info = sequence(
    integer(Uint8Array.of(0)),
    commonName(options.commonName),
    publicKeyInfo(options.publicKey),
    contextConstructed(0, attributes),
  );
  const signature = bitString(signBytes(options.privateKey, encodeDer(info)));
  return encodePem("CERTIFICATE REQUEST", encodeDer(sequence(info, signatureAlgorithm(options.privateKey), signature)));
}

export interface CertificateRequest {
  readonly publicKey: KeyObject;
  /** The values of the subject's attributes. */
  readonly subject: readonly string[];
  readonly names: readonly AlternativeName[];
  /** It asks to become an authority itself. */
  readonly wantsAuthority: boolean;
}

export type RequestParse =
  | { readonly ok: true; readonly request: CertificateRequest }
  | { readonly ok: false; readonly reason: string };

/** Reads a request in PEM and checks the signature that proves possession of its key. */
export function parseCertificateRequest(pem: string): RequestParse {
  if (pem.length > maxRequestBytes) return refuse(`it is larger than ${maxRequestBytes} bytes`);
  const [block, ...others] = decodePem(pem);
  if (block === undefined || !/^(NEW )?CERTIFICATE REQUEST$/.test(block.label)) {
    return refuse("it does not hold a PEM block CERTIFICATE REQUEST");
  }
  if (others.length > 0) return refuse("it holds more than one PEM block");
  const [info, algorithm, signatureBits] = sequenceItems(decodeDer(block.der)) ?? [];
  const [, subject, keyInfo, attributes] = sequenceItems(info) ?? [];
  const signature = bitStringBytes(signatureBits);
  if (info === undefined || algorithm === undefined || keyInfo === undefined || signature === undefined) {
    return refuse("it is not a PKCS#10 request");
  }
  const publicKey = readPublicKey(keyInfo);
  if (publicKey === undefined) return refuse("its public key cannot be read");
  // The signature is checked over what was parsed, encoded again: bytes that do not survive that are refused with it.
  if (!isSignatureValid({ publicKey, algorithm, bytes: encodeDer(info), signature })) {
    return refuse("its signature does not match its public key");
  }
  return readContents({ publicKey, subject, attributes });
}

function readContents(parts: {
  readonly publicKey: KeyObject;
  readonly subject: DerNode | undefined;
  readonly attributes: DerNode | undefined;
}): RequestParse {
  const subject = nameValues(parts.subject);
  if (subject === undefined) return refuse("its subject cannot be read");
  const extensions = requestedExtensions(parts.attributes);
  if (extensions === undefined) return refuse("its requested extensions cannot be read, or one of them comes twice");
  const find = (wanted: string): DerNode | undefined => extensions.find((found) => found.oid === wanted)?.value;
  const alternativeNames = find(extensionOids.subjectAltName);
  const names = alternativeNames === undefined ? [] : decodeAlternativeNames(alternativeNames);
  if (names === undefined) return refuse("its SubjectAltName cannot be read");
  const wantsAuthority = isBooleanTrue(sequenceItems(find(extensionOids.basicConstraints))?.[0]);
  return { ok: true, request: { publicKey: parts.publicKey, subject, names, wantsAuthority } };
}

function requestedExtensions(attributes: DerNode | undefined): readonly ReadExtension[] | undefined {
  if (attributes === undefined) return [];
  const requests = contextItems(attributes, 0)?.filter(
    (attribute) => oidText(sequenceItems(attribute)?.[0]) === extensionRequestOid,
  );
  if (requests === undefined || requests.length > 1) return undefined;
  const [request] = requests;
  if (request === undefined) return [];
  const values = setItems(sequenceItems(request)?.[1]);
  return values?.length === 1 ? readExtensions(values[0]) : undefined;
}

function refuse(reason: string): RequestParse {
  return { ok: false, reason };
}
