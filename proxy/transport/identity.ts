import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { errorMessage } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { spiffeUriOfNames } from "./peer-identity.ts";
import type { TlsIdentity } from "./transport.ts";

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads and checks certificate, key and roots before anything uses them: a pair that does not match, an expired leaf or
 * one without a SPIFFE id is an error here, not a failed handshake later. Throws `CERTIFICATE_INVALID` naming the file.
 */
export function loadIdentity(files: ProxyConfig["identity"], nowMs: number): TlsIdentity {
  const certPem = readPem("identity.certFile", files.certFile);
  const keyPem = readPem("identity.keyFile", files.keyFile);
  const caPem = readPem("identity.caFile", files.caFile);
  const leaf = parseLeaf(files.certFile, certPem);
  parseRoots(files.caFile, caPem);
  if (!leaf.checkPrivateKey(parseKey(files.keyFile, keyPem))) {
    throw invalid("identity.keyFile", files.keyFile, `does not belong to the certificate in ${files.certFile}`);
  }
  const notAfterMs = Date.parse(leaf.validTo);
  if (notAfterMs <= nowMs)
    throw invalid("identity.certFile", files.certFile, `has expired on ${leaf.validTo}: renew it`);
  const spiffeUri = spiffeUriOfNames(leaf.subjectAltName);
  if (spiffeUri === undefined) {
    throw invalid(
      "identity.certFile",
      files.certFile,
      "needs exactly one URI name of the form spiffe://<trust-domain>/ns/default/dc/<dc>/svc/<service>",
    );
  }
  return { certPem, keyPem, caPem, spiffeUri, notAfterMs };
}

function readPem(field: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    throw new AtollError("CERTIFICATE_INVALID", `${field}: cannot read ${path}: ${errorMessage(thrown)}`, {
      cause: thrown,
    });
  }
}

function parseLeaf(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (thrown) {
    throw invalid("identity.certFile", path, `is not a PEM certificate: ${errorMessage(thrown)}`);
  }
}

function parseRoots(path: string, pem: string): void {
  const blocks = pem.match(certificatePattern) ?? [];
  if (blocks.length === 0) throw invalid("identity.caFile", path, "holds no PEM certificate");
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (thrown) {
      throw invalid("identity.caFile", path, `holds a certificate that cannot be read: ${errorMessage(thrown)}`);
    }
  }
}

function parseKey(path: string, pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch {
    throw invalid("identity.keyFile", path, "is not a PEM private key without a passphrase");
  }
}

function invalid(field: string, path: string, problem: string): AtollError {
  return new AtollError("CERTIFICATE_INVALID", `${field}: ${path} ${problem}`);
}
