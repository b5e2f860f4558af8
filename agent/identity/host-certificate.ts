/** One certificate from key to proof: made on this host, signed by a server, checked before anybody uses it. */
import { X509Certificate } from "node:crypto";
import type { SignedLeaf } from "../../lib/client/server-link.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { formatSpiffeId, type SpiffeId } from "../../lib/contract/spiffe.ts";
import {
  certificateValidity,
  colonHex,
  isIssuedBy,
  readCertificate,
  rfc3339,
  uriNames,
} from "../../lib/x509/certificate.ts";
import { createCertificateRequest } from "../../lib/x509/certificate-request.ts";
import { generateKey } from "../../lib/x509/keys.ts";
import { splitCertificates } from "../../lib/x509/pem.ts";

export interface HostCertificate {
  readonly spiffeId: string;
  readonly serialNumber: string;
  /** The leaf followed by its chain, without the root. */
  readonly certPem: string;
  readonly privateKeyPem: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly modifyIndex: number;
}

/** What the server adds: everything else is read from the certificate itself. */
type SignedPart = Pick<SignedLeaf, "certPem" | "chainPem" | "modifyIndex">;

/** Makes a key and has a server sign it for `identity`. The key never leaves this process but by our caller's hand. */
export async function issueHostCertificate(options: {
  readonly identity: Exclude<SpiffeId, { kind: "server" }>;
  readonly sign: (csrPem: string, signal: AbortSignal) => Promise<SignedPart>;
  readonly signal: AbortSignal;
}): Promise<HostCertificate> {
  const { identity } = options;
  const key = generateKey();
  const uri = formatSpiffeId(identity);
  const csrPem = createCertificateRequest({
    commonName: (identity.kind === "service" ? identity.service : identity.node).slice(0, 64),
    names: [{ type: "uri", value: uri }],
    privateKey: key.privateKey,
    publicKey: key.publicKey,
  });
  const signed = await options.sign(csrPem, options.signal);
  const leaf = readCertificate(signed.certPem);
  if (leaf === undefined || !leaf.checkPrivateKey(key.privateKey) || uriNames(leaf).join() !== uri) {
    throw new AtollError(
      "CERTIFICATE_INVALID",
      `the server answered with a certificate that is not the one asked for, ${uri}`,
    );
  }
  const { notBeforeMs, notAfterMs } = certificateValidity(leaf);
  return {
    spiffeId: uri,
    serialNumber: colonHex(Buffer.from(leaf.serialNumber, "hex")),
    certPem: signed.certPem + signed.chainPem,
    privateKeyPem: key.privateKeyPem,
    notBefore: rfc3339(notBeforeMs),
    notAfter: rfc3339(notAfterMs),
    modifyIndex: signed.modifyIndex,
  };
}

/** Whether the leaf of `chainPem` was signed by one of the roots in `rootPems` itself: what follows it leads to other roots. */
export function isSignedByAny(chainPem: string, rootPems: readonly string[]): boolean {
  const [leafPem] = splitCertificates(chainPem);
  const leaf = leafPem === undefined ? undefined : readCertificate(leafPem);
  if (leaf === undefined) return false;
  return rootPems.some((pem) => splitCertificates(pem).some((root) => isIssuedBy(leaf, new X509Certificate(root))));
}
