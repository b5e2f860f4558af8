import { describe, expect, test } from "bun:test";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { MemoryMesh } from "../memory-mesh.ts";
import { deliver } from "./talk.ts";

/** What a policy and an application could read differently: the application gets the very bytes that were judged. */
describe("a request that two readers could read differently", () => {
  test("keeps fields of one name apart and in order, neither joined nor last-only (CVE-2026-26308, CVE-2021-32777)", () => {
    const mesh = new MemoryMesh();
    const read = deliver(mesh, mesh.client(), "GET / HTTP/1.1\r\nHost: api\r\nX-Role: a\r\nX-Role: b, c\r\n\r\n");
    expect(read).toContain("\r\nx-role: a\r\nx-role: b, c\r\n");
  });

  test("keeps bytes that are no UTF-8 as they are (CVE-2026-73552)", () => {
    const mesh = new MemoryMesh();
    const read = deliver(mesh, mesh.client(), "GET / HTTP/1.1\r\nHost: api\r\nX-Role: a\xff\xc0\x80b\r\n\r\n");
    expect(read).toContain("\r\nx-role: a\xff\xc0\x80b\r\n");
  });

  test("says the case of its host in one way to everybody (CVE-2021-39155)", () => {
    const mesh = new MemoryMesh();
    expect(deliver(mesh, mesh.client(), "GET http://API/ HTTP/1.1\r\nHost: api\r\n\r\n")).toMatch(
      /^GET \/ HTTP\/1\.1\r\nhost: api\r\n/i,
    );
  });
});

test("a document cannot reach the prototypes of what reads it", () => {
  const identity = '"identity":{"certFile":"c","keyFile":"k","caFile":"r"}';
  const text = `{${identity},"admin":{"listen":"127.0.0.1:1"},"limits":{"__proto__":{"polluted":1}}}`;
  const parsed = parseProxyConfig(JSON.parse(text));
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  expect(parsed).toMatchObject({ ok: false, issues: [{ path: "limits.__proto__" }] });
});
