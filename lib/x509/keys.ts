/** Key pairs of the mesh: P-256 by default, because an RSA handshake costs ten times more. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { decodeDer, encodeDer, bitStringBytes, sequenceItems, type DerNode } from "./der.ts";
import { assert, mustGet } from "../base/assert.ts";

export interface HostKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** PKCS#8. */
  readonly privateKeyPem: string;
}

/** Makes a P-256 key pair. */
export function generateKey(): HostKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, publicKey, privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

export interface KeyDescription {
  readonly type: "ec" | "rsa" | "ed25519";
  readonly bits: number;
}

const curveBits: Readonly<Record<string, number>> = { prime256v1: 256, secp384r1: 384, secp521r1: 521 };
const minRsaBits = 2048;
/** Beyond this a request is a way to burn the server's processor. */
const maxRsaBits = 8192;

export type KeyCheck =
  | { readonly ok: true; readonly key: KeyDescription }
  | { readonly ok: false; readonly reason: string };

/** Whether a key may stand in a certificate: P-256, P-384, P-521, Ed25519, or RSA of 2048 to 8192 bits. */
export function checkKey(publicKey: KeyObject): KeyCheck {
  const accepted = "use an EC key on P-256, P-384 or P-521, an Ed25519 key, or RSA with 2048 to 8192 bits";
  if (publicKey.asymmetricKeyType === "ed25519") return { ok: true, key: { type: "ed25519", bits: 256 } };
  const details = publicKey.asymmetricKeyDetails;
  if (publicKey.asymmetricKeyType === "ec") {
    const bits = curveBits[details?.namedCurve ?? ""];
    if (bits !== undefined) return { ok: true, key: { type: "ec", bits } };
    return { ok: false, reason: `the key's curve ${details?.namedCurve ?? "(unnamed)"} is not accepted: ${accepted}` };
  }
  if (publicKey.asymmetricKeyType === "rsa") {
    const bits = details?.modulusLength ?? 0;
    if (bits >= minRsaBits && bits <= maxRsaBits) return { ok: true, key: { type: "rsa", bits } };
    return { ok: false, reason: `the RSA key has ${bits} bits: ${accepted}` };
  }
  return {
    ok: false,
    reason: `keys of type ${publicKey.asymmetricKeyType ?? "unknown"} are not accepted: ${accepted}`,
  };
}

/** The SubjectPublicKeyInfo of a key, for certificates and requests. */
export function publicKeyInfo(key: KeyObject): DerNode {
  const der = key.export({ type: "spki", format: "der" });
  return mustGet(decodeDer(der), "node:crypto exports valid DER");
}

/** A key from a SubjectPublicKeyInfo of outside; undefined when it is not one. */
export function readPublicKey(info: DerNode): KeyObject | undefined {
  try {
    return createPublicKey({ key: encodeDer(info), type: "spki", format: "der" });
  } catch {
    return undefined;
  }
}

/** SubjectKeyIdentifier: the leftmost 160 bits of the SHA-256 of the key's bits (RFC 7093 section 2, method 1). */
export function subjectKeyId(publicKey: KeyObject): Buffer {
  const bits = bitStringBytes(sequenceItems(publicKeyInfo(publicKey))?.[1]);
  assert(bits !== undefined, "a SubjectPublicKeyInfo holds a bit string");
  return createHash("sha256").update(bits).digest().subarray(0, 20);
}
