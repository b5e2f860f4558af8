/** OpenSSL as the judge of our certificates: it shares no code with the library that made them. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestAuthority, createTestRequest, serviceUri } from "./test-authority.ts";

const folder = mkdtempSync(join(tmpdir(), "atoll-ca-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const ifOpenssl = hasOpenssl ? test : test.skip;
const needs = hasOpenssl ? "" : " (needs openssl on the PATH)";

function openssl(...args: string[]): string {
  const { stdout, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
  return stdout + stderr;
}

describe("openssl", () => {
  const authority = createTestAuthority();
  const uri = serviceUri(authority, "web");
  const leaf = authority.sign(createTestRequest({ uris: [uri] }));
  writeFileSync(join(folder, "root.crt"), authority.rootPem);
  writeFileSync(join(folder, "leaf.crt"), leaf.certPem);
  writeFileSync(join(folder, "foreign.crt"), createTestAuthority({ seed: 2 }).rootPem);

  ifOpenssl(`verifies a leaf for server and client use in strict mode${needs}`, () => {
    const name = `web.default.dc1.internal.${authority.trustDomain}`;
    for (const purpose of ["sslserver", "sslclient"]) {
      const strict = ["verify", "-x509_strict", "-CAfile", "root.crt", "-purpose", purpose];
      expect(openssl(...strict, "-verify_hostname", name, "leaf.crt")).toBe("leaf.crt: OK\n");
    }
    expect(openssl("verify", "-CAfile", "foreign.crt", "leaf.crt")).toContain("verification failed");
  });

  ifOpenssl(`prints the extensions of a leaf as they should be${needs}`, () => {
    const text = openssl("x509", "-in", "leaf.crt", "-noout", "-text");
    expect(text).toContain("Version: 3 (0x2)");
    expect(text).toContain("Signature Algorithm: ecdsa-with-SHA256");
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE/);
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/TLS Web Server Authentication, TLS Web Client Authentication/);
    expect(text).toContain(`URI:${uri}, DNS:web.default.dc1.internal.${authority.trustDomain}`);
    expect(text).toContain("X509v3 Authority Key Identifier");
  });

  ifOpenssl(`prints the root as an authority of ten years with the trust domain as its URI${needs}`, () => {
    const text = openssl("x509", "-in", "root.crt", "-noout", "-text");
    expect(text).toMatch(/Subject: CN = pri-[0-9a-f]{8}\.consul\.ca\.[0-9a-f]{8}\.consul/);
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:TRUE/);
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature, Certificate Sign, CRL Sign/);
    expect(text).toContain(`URI:spiffe://${authority.trustDomain}`);
    expect(openssl("verify", "-x509_strict", "-CAfile", "root.crt", "root.crt")).toBe("root.crt: OK\n");
    expect(openssl("x509", "-in", "root.crt", "-noout", "-checkend", String(9 * 365 * 86_400))).toContain(
      "will not expire",
    );
  });

  ifOpenssl(`accepts our certificate request, and we accept its${needs}`, () => {
    writeFileSync(join(folder, "ours.csr"), createTestRequest({ uris: [uri] }));
    const text = openssl("req", "-in", "ours.csr", "-noout", "-verify", "-text");
    expect(text).toContain("self-signature verify OK");
    expect(text).toContain(`URI:${uri}`);
    for (const algorithm of [["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], ["rsa:3072"], ["ed25519"]]) {
      const csr = ["-subj", "/CN=web/O=Example", "-addext", `subjectAltName=URI:${uri}`, "-keyout", "k.pem", "-nodes"];
      openssl("req", "-new", "-newkey", ...algorithm, ...csr, "-out", "theirs.csr");
      const signed = authority.sign(openssl("req", "-in", "theirs.csr"));
      writeFileSync(join(folder, "theirs.crt"), signed.certPem);
      expect(openssl("verify", "-x509_strict", "-CAfile", "root.crt", "theirs.crt")).toBe("theirs.crt: OK\n");
    }
  });

  ifOpenssl(`asks in vain for an authority's certificate and for a curve that is not ours${needs}`, () => {
    const csr = ["-subj", "/CN=web", "-addext", `subjectAltName=URI:${uri}`, "-keyout", "k.pem", "-nodes"];
    const ec = ["req", "-new", "-newkey", "ec", "-pkeyopt"];
    openssl(...ec, "ec_paramgen_curve:P-256", ...csr, "-addext", "basicConstraints=CA:TRUE", "-out", "ca.csr");
    expect(() => authority.sign(openssl("req", "-in", "ca.csr"))).toThrow("asks to be an authority");
    openssl(...ec, "ec_paramgen_curve:secp256k1", ...csr, "-out", "curve.csr");
    expect(() => authority.sign(openssl("req", "-in", "curve.csr"))).toThrow(
      /secp256k1 is not accepted|cannot be read/,
    );
  });
});
