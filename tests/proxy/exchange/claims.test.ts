import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { calleeConfig, MemoryMesh } from "../memory-mesh.ts";
import { answer, deliver, ok, told } from "./talk.ts";

/** Requests that claim, steer or burst something in other proxies, sent through both of ours; see `tests/ATTACKS.md`. */
const request = (fields: string): string => `GET / HTTP/1.1\r\nHost: api\r\n${fields}\r\n`;

describe("who calls is what the handshake has verified:", () => {
  test("no spelling of the host changes the verdict (CVE-2021-39155)", () => {
    const mesh = new MemoryMesh();
    mesh.callee.apply(calleeConfig("deny"), 2);
    const client = mesh.client();
    for (const host of ["api", "API", "Api:80", "api:8080", "other"]) {
      client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      mesh.settle();
      expect(client.take()).toStartWith("HTTP/1.1 403 ");
    }
    expect(mesh.apps).toEqual([]);
  });

  test("no field can claim it, however often it is there (CVE-2024-45806, CVE-2026-26308)", () => {
    const claim = "By=spiffe://t/ns/default/dc/dc1/svc/api;URI=spiffe://t/ns/default/dc/dc1/svc/admin";
    for (const name of ["X-Forwarded-Client-Cert", "x-forwarded-client-cert", "X-FORWARDED-CLIENT-CERT"]) {
      const mesh = new MemoryMesh();
      const read = deliver(mesh, mesh.client(), request(`${name}: ${claim}\r\nX: 1\r\n${name}: ${claim}\r\n`));
      expect(read).toBe(`GET / HTTP/1.1\r\nhost: api\r\nx: 1\r\n${told}\r\n`);
    }
  });

  test("fields that steer Envoy mean nothing to a proxy (CVE-2024-45806)", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const fields =
      "x-envoy-original-path: /admin\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 9\r\nx-envoy-upstream-rq-timeout-ms: 1\r\n";
    expect(deliver(mesh, client, request(fields))).toStartWith("GET / HTTP/1.1\r\nhost: api\r\n");
    expect(answer(mesh, client, "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n")).toStartWith("HTTP/1.1 500 ");
    expect(mesh.apps.length).toBe(1);
    expect(mesh.app().take()).toBe("");
  });
});

describe("a body is nobody's but the app's:", () => {
  test("one that unpacks to much is passed on packed (CVE-2026-48044)", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024)).toString("latin1");
    const head = `POST / HTTP/1.1\r\nhost: api\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n`;
    const read = deliver(mesh, client, `${head}\r\n${bomb}`);
    expect(read.slice(read.indexOf("\r\n\r\n") + 4)).toBe(bomb);
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });

  test("one of JSON without end in its depth is not read (CVE-2026-48042)", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const deep = "[".repeat(1_000_000);
    const head = "POST / HTTP/1.1\r\nhost: api\r\ncontent-type: application/json\r\n";
    expect(deliver(mesh, client, `${head}content-length: ${deep.length}\r\n\r\n${deep}`)).toEndWith(deep);
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });
});

describe("the admin address", () => {
  test("echoes nothing of a request and sends no HTML (CVE-2026-73546)", () => {
    const mesh = new MemoryMesh();
    const script = "<script>alert(1)</script>";
    for (const path of ["/metrics", "/ready", "/config", `/${script}`, `/metrics?${script}`]) {
      const admin = mesh.client(19001);
      admin.send(`GET ${path} HTTP/1.1\r\nHost: admin\r\nReferer: ${script}\r\n\r\n`);
      mesh.settle();
      const page = admin.take();
      expect(page).toMatch(/^HTTP\/1\.1 (200|400|404) /);
      expect(page).not.toContain("script");
      expect(page).toMatch(/\r\ncontent-type: (text\/plain|application\/json)/);
    }
  });
});
