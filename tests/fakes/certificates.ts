import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { systemClock } from "../../lib/base/clock.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { systemRandom } from "../../lib/base/random.ts";
import type { CaRootFields } from "../../lib/contract/commands.ts";
import { formatSpiffeId } from "../../lib/contract/spiffe.ts";
import { createCertificate, readIssuerNames } from "../../lib/x509/certificate.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from "../../lib/x509/extensions.ts";
import { generateKey, subjectKeyId } from "../../lib/x509/keys.ts";
import { commonName } from "../../lib/x509/names.ts";
import { createRoot } from "../../server/ca/root.ts";

const hourMs = 3_600_000;

export interface TestLeaf {
  readonly certPem: string;
  readonly keyPem: string;
  readonly caPem: string;
  readonly uri: string;
}

export interface LeafOverrides {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

/** An authority of a test, which also issues what the real one refuses to. */
export class TestAuthority {
  readonly root: CaRootFields = createRoot({ clock: systemClock, random: systemRandom, logger: silentLogger });

  leaf(service: string, overrides: LeafOverrides = {}): TestLeaf {
    const key = generateKey();
    const issuer = readIssuerNames(new X509Certificate(this.root.certPem));
    const uri = formatSpiffeId({ kind: "service", trustDomain: this.root.trustDomain, datacenter: "dc1", service });
    const certPem = createCertificate(
      {
        serialNumber: Uint8Array.of(1, ...randomBytes(15)),
        issuer: issuer.subject,
        subject: commonName(service),
        notBeforeMs: overrides.notBeforeMs ?? systemClock.nowMs() - hourMs,
        notAfterMs: overrides.notAfterMs ?? systemClock.nowMs() + 24 * hourMs,
        publicKey: key.publicKey,
        extensions: [
          basicConstraints(false),
          keyUsage("leaf"),
          extendedKeyUsage(["serverAuth", "clientAuth"]),
          subjectKeyIdentifier(subjectKeyId(key.publicKey)),
          authorityKeyIdentifier(issuer.keyId),
          subjectAltName([
            ...(overrides.uris ?? [uri]).map((value) => ({ type: "uri" as const, value })),
            ...(overrides.dnsNames ?? [service]).map((value) => ({ type: "dns" as const, value })),
          ]),
        ],
      },
      createPrivateKey(this.root.privateKeyPem),
    );
    return { certPem, keyPem: key.privateKeyPem, caPem: this.root.certPem, uri };
  }
}

/** Files of a leaf as a `ProxyConfig` names them. */
export function writeLeaf(leaf: TestLeaf, directory: string) {
  const files = {
    certFile: join(directory, "leaf.crt"),
    keyFile: join(directory, "leaf.key"),
    caFile: join(directory, "roots.crt"),
  };
  writeFileSync(files.certFile, leaf.certPem);
  writeFileSync(files.keyFile, leaf.keyPem, { mode: 0o600 });
  writeFileSync(files.caFile, leaf.caPem);
  return files;
}
