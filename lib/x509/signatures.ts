/** Signatures over DER with the keys of node:crypto, which knows EC and Ed25519 where node-forge does not. */
import { type KeyObject, sign, verify } from "node:crypto";
import { mustGet } from "../base/assert.ts";
import { type DerNode, nullValue, oid, oidText, sequence, sequenceItems } from "./der.ts";

interface Algorithm {
  readonly oid: string;
  readonly keyType: "ec" | "rsa" | "ed25519";
  /** Undefined where the algorithm hashes by itself. */
  readonly hash: string | undefined;
}

/** SHA-1, MD5 and PSS are absent on purpose: nothing that speaks to us needs them. */
const algorithms: readonly Algorithm[] = [
  { oid: "1.2.840.10045.4.3.2", keyType: "ec", hash: "sha256" },
  { oid: "1.2.840.10045.4.3.3", keyType: "ec", hash: "sha384" },
  { oid: "1.2.840.10045.4.3.4", keyType: "ec", hash: "sha512" },
  { oid: "1.2.840.113549.1.1.11", keyType: "rsa", hash: "sha256" },
  { oid: "1.2.840.113549.1.1.12", keyType: "rsa", hash: "sha384" },
  { oid: "1.2.840.113549.1.1.13", keyType: "rsa", hash: "sha512" },
  { oid: "1.3.101.112", keyType: "ed25519", hash: undefined },
];

const ecHash: Readonly<Record<string, string>> = { prime256v1: "sha256", secp384r1: "sha384", secp521r1: "sha512" };

/** The AlgorithmIdentifier that goes with a signature by `privateKey`. */
export function signatureAlgorithm(privateKey: KeyObject): DerNode {
  const algorithm = algorithmFor(privateKey);
  return algorithm.keyType === "rsa" ? sequence(oid(algorithm.oid), nullValue()) : sequence(oid(algorithm.oid));
}

export function signBytes(privateKey: KeyObject, bytes: Uint8Array): Buffer {
  return sign(algorithmFor(privateKey).hash, bytes, privateKey);
}

export interface SignatureCheck {
  readonly publicKey: KeyObject;
  /** The AlgorithmIdentifier that stands beside the signature. */
  readonly algorithm: DerNode;
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** False for a wrong signature, an unknown algorithm, or one of another kind of key. */
export function isSignatureValid(check: SignatureCheck): boolean {
  const named = oidText(sequenceItems(check.algorithm)?.[0]);
  const algorithm = algorithms.find((candidate) => candidate.oid === named);
  if (algorithm === undefined || algorithm.keyType !== check.publicKey.asymmetricKeyType) return false;
  try {
    return verify(algorithm.hash, check.bytes, check.publicKey, check.signature);
  } catch {
    return false;
  }
}

function algorithmFor(key: KeyObject): Algorithm {
  const type = key.asymmetricKeyType;
  const hash =
    type === "ec" ? ecHash[key.asymmetricKeyDetails?.namedCurve ?? ""] : type === "rsa" ? "sha256" : undefined;
  const found = algorithms.find((algorithm) => algorithm.keyType === type && algorithm.hash === hash);
  return mustGet(found, `signing keys are EC, RSA or Ed25519, found ${type}`);
}
