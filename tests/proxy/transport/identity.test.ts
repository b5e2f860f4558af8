import { afterAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadIdentity } from "../../../proxy/transport/identity.ts";
import { spiffeUriOfNames } from "../../../proxy/transport/peer-identity.ts";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";

/** Certificates and rules that have made others take one caller for another; see `tests/ATTACKS.md`. */
const authority = new TestAuthority();
const directory = mkdtempSync(join(tmpdir(), "atoll-attacks-"));
afterAll(() => rmSync(directory, { recursive: true }));

const uriOf = (service: string): string => `spiffe://${authority.root.trustDomain}/ns/default/dc/dc1/svc/${service}`;
const identityIn = (uris: readonly string[], dnsNames: readonly string[] = []): string | undefined =>
  spiffeUriOfNames(new X509Certificate(authority.leaf("web", { uris, dnsNames }).certPem).subjectAltName);

describe("the identity in a certificate", () => {
  test("is its only URI name", () => {
    expect(identityIn([uriOf("web")], ["web"])).toBe(uriOf("web"));
    expect(identityIn([uriOf("web"), uriOf("admin")])).toBeUndefined();
  });

  test("does not end at NUL (CVE-2025-66220, CVE-2026-47778)", () => {
    expect(identityIn([`${uriOf("admin")}\0.web`])).toBeUndefined();
    expect(identityIn([`${uriOf("admin")}\0`])).toBeUndefined();
    expect(identityIn([uriOf("web")], [`admin\0.example`])).not.toBe(uriOf("admin"));
    expect(spiffeUriOfNames(`URI:${uriOf("admin")}\0.web`)).toBeUndefined();
  });

  test("cannot be forged by the text of another name", () => {
    expect(identityIn([], [`x, URI:${uriOf("admin")}`])).toBeUndefined();
    expect(identityIn([uriOf("web")], [`x, URI:${uriOf("admin")}`])).not.toBe(uriOf("admin"));
  });
});

test("roots that are missing, empty or no certificates are an error, never no verification (GHSA-qm8v-g4f9-qhjx)", () => {
  const files = writeLeaf(authority.leaf("web"), directory);
  const empty = join(directory, "empty.crt");
  writeFileSync(empty, "");
  const text = join(directory, "text.crt");
  writeFileSync(text, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  expect(loadIdentity(files, Date.now()).caPem).toContain("BEGIN CERTIFICATE");
  for (const caFile of [join(directory, "nowhere.crt"), empty, text]) {
    expect(() => loadIdentity({ ...files, caFile }, Date.now())).toThrow("identity.caFile");
  }
});
