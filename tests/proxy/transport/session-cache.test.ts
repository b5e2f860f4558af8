import { expect, test } from "bun:test";
import { SessionCache, sessionKey } from "../../../proxy/transport/session-cache.ts";
import type { TlsIdentity } from "../../../proxy/transport/transport.ts";

const identity = (spiffeUri: string): TlsIdentity => ({
  certPem: "",
  keyPem: "",
  caPem: "",
  spiffeUri,
  notAfterMs: 0,
});
const own = identity("spiffe://one/ns/default/dc/dc1/svc/web");

test("the newest session of a callee is used again and again", () => {
  const cache = new SessionCache();
  cache.set("api", own, Buffer.from("first"));
  cache.set("api", own, Buffer.from("second"));
  expect(cache.get("api", own)?.toString()).toBe("second");
  expect(cache.get("api", own)?.toString()).toBe("second");
});

test("a renewed identity does not take over the sessions of the one before", () => {
  const cache = new SessionCache();
  cache.set("api", own, Buffer.from("session"));
  expect(cache.get("api", { ...own })).toBeUndefined();
  expect(cache.size).toBe(0);
});

test("sessions are kept per address, server name and protocols", () => {
  const tls = { identity: own, serverName: "api", isExpectedPeer: () => true };
  const keys = [
    sessionKey("10.0.0.1", 1, tls),
    sessionKey("10.0.0.2", 1, tls),
    sessionKey("10.0.0.1", 2, tls),
    sessionKey("10.0.0.1", 1, { ...tls, serverName: "web" }),
    sessionKey("10.0.0.1", 1, { ...tls, alpn: ["h2"] }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test("there are 512 at most, and the one that was not used for longest goes", () => {
  const cache = new SessionCache();
  for (let i = 0; i < 512; i++) cache.set(`callee ${i}`, own, Buffer.from("session"));
  cache.get("callee 0", own);
  cache.set("one more", own, Buffer.from("session"));
  expect(cache.size).toBe(512);
  expect(cache.get("callee 0", own)).toBeDefined();
  expect(cache.get("callee 1", own)).toBeUndefined();
});
