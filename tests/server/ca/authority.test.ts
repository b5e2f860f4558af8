import { describe, expect, test } from "bun:test";
import { defaultAuthorityConfig } from "../../../lib/contract/authority-config.ts";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { isIssuedBy, uriNames } from "../../../lib/x509/certificate.ts";
import { decodePem, encodePem } from "../../../lib/x509/pem.ts";
import type { Authority } from "../../../server/ca/authority.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createTestAuthority, createTestRequest, rsaKey, serviceUri } from "./test-authority.ts";

function refusal(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof AtollError) return { code: thrown.code, message: thrown.message };
    throw thrown;
  }
  return { code: "none", message: "it was signed" };
}

function expectRefused(authority: Authority, csrPem: string, code: string, words: string): void {
  const refused = refusal(() => authority.sign(csrPem));
  expect(refused.code).toBe(code);
  expect(refused.message).toContain(words);
}

describe("a leaf certificate", () => {
  test("carries the SPIFFE id, the mesh name as its only DNS name, and is signed by the root", () => {
    const authority = createTestAuthority();
    const uri = serviceUri(authority, "web");
    const signed = authority.sign(createTestRequest({ uris: [uri], dns: ["db.default.dc1.internal.example"] }));
    const leaf = new X509Certificate(signed.certPem);
    expect(uriNames(leaf)).toEqual([uri]);
    expect(leaf.subjectAltName).toBe(`URI:${uri}, DNS:web.default.dc1.internal.${authority.trustDomain}`);
    expect(isIssuedBy(leaf, new X509Certificate(authority.rootPem))).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(signed).toMatchObject({ spiffeId: uri, chainPem: "", modifyIndex: 7 });
    expect(signed.serialNumber.replaceAll(":", "").toUpperCase()).toBe(leaf.serialNumber);
    expect(signed.serialNumber).toMatch(/^[4-7][0-9a-f](:[0-9a-f]{2}){15}$/);
  });

  test("is valid from a minute ago for the time configured", () => {
    const clock = createVirtualClock(Date.parse("2030-01-01T00:00:00Z"));
    const runtime = createTestRuntime({ clock });
    const authority = createTestAuthority({
      runtime,
      config: () => ({ ...defaultAuthorityConfig, leafTtlMs: 3_600_000 }),
    });
    const signed = authority.sign(createTestRequest({ uris: [serviceUri(authority, "web")] }));
    expect(signed.notBefore).toBe("2029-12-31T23:59:00Z");
    expect(signed.notAfter).toBe("2030-01-01T01:00:00Z");
    const leaf = new X509Certificate(signed.certPem);
    expect(Date.parse(leaf.validTo)).toBe(Date.parse(signed.notAfter));
  });

  test.each(["P-256", "P-384", "P-521"])("is issued for an EC key on %s", (namedCurve) => {
    const authority = createTestAuthority();
    const key = generateKeyPairSync("ec", { namedCurve });
    const signed = authority.sign(createTestRequest({ uris: [serviceUri(authority, "web")], key }));
    expect(new X509Certificate(signed.certPem).checkPrivateKey(key.privateKey)).toBe(true);
  });

  test("is issued for Ed25519 and for RSA 2048 keys", () => {
    const authority = createTestAuthority();
    for (const key of [generateKeyPairSync("ed25519"), rsaKey(2048)]) {
      const signed = authority.sign(createTestRequest({ uris: [serviceUri(authority, "web")], key }));
      expect(new X509Certificate(signed.certPem).checkPrivateKey(key.privateKey)).toBe(true);
    }
  });

  test("of an agent has no DNS name and is signed only where agents are asked for", () => {
    const authority = createTestAuthority();
    const uri = `spiffe://${authority.trustDomain}/agent/client/dc/dc1/id/host-1`;
    const csr = createTestRequest({ uris: [uri], commonName: "host-1" });
    const signed = authority.sign(csr, { services: false, agentNode: "host-1" });
    expect(new X509Certificate(signed.certPem).subjectAltName).toBe(`URI:${uri}`);
    expectRefused(authority, csr, "INVALID_ARGUMENT", "here only services are signed");
    const asAgent = (agentNode: string) => refusal(() => authority.sign(csr, { services: true, agentNode })).message;
    expect(asAgent("host-2")).toContain('of node "host-1", the request comes from "host-2"');
  });
});

describe("a certificate request is refused", () => {
  const authority = createTestAuthority();
  const uri = serviceUri(authority, "web");

  test("with two URI names or none", () => {
    const other = serviceUri(authority, "db");
    expectRefused(authority, createTestRequest({ uris: [uri, other] }), "CERTIFICATE_INVALID", "2 URI names");
    expectRefused(authority, createTestRequest({ dns: ["web"] }), "CERTIFICATE_INVALID", "0 URI names");
  });

  test("with an email name", () => {
    const csr = createTestRequest({ uris: [uri], emails: ["a@example.com"] });
    expectRefused(authority, csr, "CERTIFICATE_INVALID", "email name");
  });

  test("with a NUL, a line break, a space or a non-ASCII byte in a name", () => {
    for (const odd of ["\0", "\n", " ", "\u00e9"]) {
      expectRefused(authority, createTestRequest({ uris: [uri + odd] }), "CERTIFICATE_INVALID", "no SPIFFE id has");
      const dns = createTestRequest({ uris: [uri], dns: [`web${odd}.evil`] });
      expectRefused(authority, dns, "CERTIFICATE_INVALID", "no host name has");
    }
    const subject = createTestRequest({ uris: [uri], commonName: "web\0admin" });
    expectRefused(authority, subject, "CERTIFICATE_INVALID", "subject has control characters");
  });

  test("of a foreign trust domain or a foreign datacenter", () => {
    const foreign = createTestRequest({ uris: ["spiffe://other.consul/ns/default/dc/dc1/svc/web"] });
    expectRefused(authority, foreign, "INVALID_ARGUMENT", 'of trust domain "other.consul"');
    const dc2 = createTestRequest({ uris: [`spiffe://${authority.trustDomain}/ns/default/dc/dc2/svc/web`] });
    expectRefused(authority, dc2, "INVALID_ARGUMENT", 'of datacenter "dc2"');
  });

  test("for the servers' own identity and for URIs that are no SPIFFE id", () => {
    const server = createTestRequest({ uris: [`spiffe://${authority.trustDomain}/agent/server/dc/dc1`] });
    expectRefused(authority, server, "INVALID_ARGUMENT", "of the servers");
    expectRefused(authority, createTestRequest({ uris: [`${uri}/..`] }), "INVALID_ARGUMENT", "is not a SPIFFE id");
    expectRefused(authority, createTestRequest({ uris: ["https://a"] }), "INVALID_ARGUMENT", "is not a SPIFFE id");
  });

  test("for a service whose mesh name no DNS name can carry", () => {
    const long = createTestRequest({ uris: [serviceUri(authority, "a".repeat(255))] });
    expectRefused(authority, long, "INVALID_ARGUMENT", "longer than 253");
  });

  test("with a weak RSA key or a curve that is not one of ours", () => {
    const weak = createTestRequest({ uris: [uri], key: rsaKey(1024) });
    expectRefused(authority, weak, "CERTIFICATE_INVALID", "the RSA key has 1024 bits");
  });

  test("whose signature is by another key or over other names", () => {
    const [mine] = decodePem(createTestRequest({ uris: [uri] }));
    const der = mine?.der ?? Buffer.alloc(0);
    const at = der.indexOf("/svc/web");
    expect(at).toBeGreaterThan(0);
    const forged = Buffer.from(der);
    forged.write("/svc/adm", at, "latin1");
    expectRefused(
      authority,
      encodePem("CERTIFICATE REQUEST", forged),
      "CERTIFICATE_INVALID",
      "signature does not match",
    );
  });

  test("that is no request at all", () => {
    expectRefused(authority, "", "CERTIFICATE_INVALID", "does not hold a PEM block");
    expectRefused(authority, authority.rootPem, "CERTIFICATE_INVALID", "does not hold a PEM block");
    const csr = createTestRequest({ uris: [uri] });
    expectRefused(authority, csr + csr, "CERTIFICATE_INVALID", "more than one PEM block");
    expectRefused(authority, `${csr}${" ".repeat(20_000)}`, "CERTIFICATE_INVALID", "larger than");
  });

  test("after any single byte of it was changed, and never crashes the parser", () => {
    const authorityWithoutLimit = createTestAuthority({
      config: () => ({ ...defaultAuthorityConfig, signaturesPerSecond: 0 }),
    });
    const [block] = decodePem(createTestRequest({ uris: [serviceUri(authorityWithoutLimit, "web")] }));
    const der = block?.der ?? Buffer.alloc(0);
    for (let at = 0; at < der.length; at++) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      const pem = encodePem("CERTIFICATE REQUEST", changed);
      expect(refusal(() => authorityWithoutLimit.sign(pem)).code).toMatch(/^(CERTIFICATE_INVALID|INVALID_ARGUMENT)$/);
    }
  });
});

test("requests over the rate limit are refused until the bucket has filled again", async () => {
  const clock = createVirtualClock(Date.parse("2030-01-01T00:00:00Z"));
  const authority = createTestAuthority({
    runtime: createTestRuntime({ clock }),
    config: () => ({ ...defaultAuthorityConfig, signaturesPerSecond: 2 }),
  });
  const csr = createTestRequest({ uris: [serviceUri(authority, "web")] });
  authority.sign(csr);
  authority.sign(csr);
  expect(refusal(() => authority.sign(csr))).toEqual({
    code: "RATE_LIMITED",
    message: "Rate limit reached, try again later",
  });
  await clock.advance(500);
  expect(authority.sign(csr).spiffeId).toContain("/svc/web");
});
