/** How one root follows another: the new one, certified by the one before it, and how long that stays trusted. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { AuthorityConfig } from "../../lib/contract/authority-config.ts";
import type { CaRootFields, CaRotate } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import {
  certificateValidity,
  createCertificate,
  isCurrentlyValid,
  isIssuedBy,
  readCertificate,
  readIssuerNames,
  rfc3339,
} from "../../lib/x509/certificate.ts";
import { checkKey } from "../../lib/x509/keys.ts";
import { authorityExtensions, backdateMs, createRoot, describeRoot, wholeSeconds } from "./root.ts";

export interface RotationWish {
  /** A root of the operator's own; absent: one that is made here. */
  readonly given?: { readonly certPem: string; readonly privateKeyPem: string };
  /**
   * Whether the root before certifies the new one. Without it nobody who knows only one of the two can talk to who knows only the other:
   * for a root whose key has been stolen.
   */
  readonly isCrossSigned: boolean;
}

/** Leaves of the root before are trusted for their whole life, and once more: who was away when it ended finds the new one. */
const livesTrusted = 2;

/** Throws `INVALID_ARGUMENT` for a root that cannot be one, naming the field of the API. */
export function planRotation(options: {
  /** The root that signs now, with its key. */
  readonly active: CaRootFields;
  readonly wish: RotationWish;
  readonly config: AuthorityConfig;
  readonly runtime: Runtime;
}): CaRotate {
  const { active, wish, config, runtime } = options;
  const { clusterId, trustDomain } = active;
  const nowMs = runtime.clock.nowMs();
  const root =
    wish.given === undefined
      ? createRoot(runtime, clusterId)
      : describeRoot({ ...checkGiven(wish.given, nowMs), clusterId, trustDomain });
  const crossSignedPem = wish.isCrossSigned ? crossSign(root, active, runtime) : undefined;
  return {
    type: "ca-rotate",
    root: crossSignedPem === undefined ? root : { ...root, crossSignedPem },
    from: active.id,
    trustedUntil: rfc3339(wholeSeconds(nowMs + livesTrusted * config.leafTtlMs)),
  };
}

/** A certificate over the key and name of `root`, signed by `issuer`: whatever `root` signs can be followed to `issuer`. */
function crossSign(root: CaRootFields, issuer: CaRootFields, runtime: Runtime): string {
  const certificate = new X509Certificate(root.certPem);
  const issuerCertificate = new X509Certificate(issuer.certPem);
  const names = readIssuerNames(certificate);
  const issuerNames = readIssuerNames(issuerCertificate);
  const endMs = (one: X509Certificate): number => certificateValidity(one).notAfterMs;
  return createCertificate(
    {
      serialNumber: Uint8Array.of(1, ...runtime.random.bytes(15)),
      issuer: issuerNames.subject,
      subject: names.subject,
      notBeforeMs: wholeSeconds(runtime.clock.nowMs() - backdateMs),
      notAfterMs: Math.min(endMs(certificate), endMs(issuerCertificate)),
      publicKey: certificate.publicKey,
      extensions: authorityExtensions({
        keyId: names.keyId,
        issuerKeyId: issuerNames.keyId,
        trustDomain: root.trustDomain,
      }),
    },
    createPrivateKey(issuer.privateKeyPem),
  );
}

function checkGiven(
  given: { readonly certPem: string; readonly privateKeyPem: string },
  nowMs: number,
): { readonly certificate: X509Certificate; readonly privateKey: KeyObject } {
  const certificate = readCertificate(given.certPem);
  if (certificate === undefined) throw unusable("RootCert", "it is not a certificate in PEM");
  const privateKey = readPrivateKey(given.privateKeyPem);
  if (privateKey === undefined) throw unusable("PrivateKey", "it is not a private key in PEM without a passphrase");
  if (!certificate.checkPrivateKey(privateKey)) throw unusable("PrivateKey", "it does not belong to Config.RootCert");
  if (!certificate.ca || !isIssuedBy(certificate, certificate)) {
    throw unusable("RootCert", "it has to be a root: self-signed, with CA:TRUE in its basic constraints");
  }
  if (!isCurrentlyValid(certificate, nowMs)) {
    throw unusable("RootCert", `it is valid from ${certificate.validFrom} to ${certificate.validTo}`);
  }
  const key = checkKey(certificate.publicKey);
  if (!key.ok) throw unusable("PrivateKey", key.reason);
  if (key.key.type === "ed25519")
    throw unusable("PrivateKey", "a root needs an EC or RSA key: not every peer reads Ed25519");
  return { certificate, privateKey };
}

function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function unusable(field: "RootCert" | "PrivateKey", reason: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", `Config.${field} cannot be used: ${reason}`);
}
