import { describe, expect, test } from "bun:test";
import { backends, EchoMesh } from "../../conformance/echo-mesh.ts";
import type { Wire } from "../memory-mesh.ts";

const to = (cluster: string): unknown => ({ targets: [{ cluster }] });
const exact = (value: string): unknown => ({ path: { type: "exact", value } });

function exchange(mesh: EchoMesh, client: Wire, request: string): string {
  client.send(request);
  mesh.settle();
  return client.take();
}

function backendOf(response: string): string | undefined {
  return /x-backend: (\S+)/.exec(response)?.[1];
}

const get = "GET /a HTTP/1.1\r\nHost: echo\r\n\r\n";

describe("a connection that repeats its request", () => {
  test("is split request by request, and each target keeps its own edits", () => {
    const targets = backends.map((cluster) => ({
      cluster,
      requestHeaders: { set: [{ name: "X-Target", value: cluster }] },
      responseHeaders: { set: [{ name: "X-Answered", value: cluster }] },
    }));
    const mesh = new EchoMesh([{ routes: [{ forward: { targets } }] }]);
    const client = mesh.client();
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const response = exchange(mesh, client, get);
      const backend = backendOf(response) ?? "";
      seen.add(backend);
      expect(response).toContain(`x-target: ${backend}\r\n`);
      expect(response).toContain(`x-answered: ${backend}\r\n`);
    }
    expect([...seen].sort()).toEqual([...backends]);
  });

  test("follows new routes from the next request on, and goes on when they are gone", () => {
    const mesh = new EchoMesh([{ routes: [{ forward: to("echo-v1") }] }]);
    const client = mesh.client();
    for (let i = 0; i < 3; i++) expect(backendOf(exchange(mesh, client, get))).toBe("echo-v1");
    mesh.apply([{ routes: [{ forward: to("echo-v2") }] }], 2);
    for (let i = 0; i < 3; i++) expect(backendOf(exchange(mesh, client, get))).toBe("echo-v2");
    mesh.apply([{ routes: [{ match: exact("/b"), reply: { status: 200 } }], unmatched: "reply-404" }], 3);
    expect(exchange(mesh, client, get)).toStartWith("HTTP/1.1 404 ");
    mesh.apply([{ service: "echo" }], 4);
    expect(exchange(mesh, client, get)).toStartWith("HTTP/1.1 200 ");
  });

  test("finds a cluster that left and came back in its place", () => {
    const routes = [{ forward: to("other") }];
    const listener = (i: number): object => ({
      routes,
      clusters: [{ name: "other", service: backends[i], endpoints: [{ address: `127.0.0.1:${20000 + i}` }] }],
    });
    const mesh = new EchoMesh([listener(0)]);
    const client = mesh.client();
    for (let i = 0; i < 3; i++) expect(backendOf(exchange(mesh, client, get))).toBe("echo-v1");
    mesh.apply([listener(1)], 2);
    expect(backendOf(exchange(mesh, client, get))).toBe("echo-v2");
    mesh.apply([{}], 3);
    mesh.apply([listener(0)], 4);
    for (let i = 0; i < 3; i++) expect(backendOf(exchange(mesh, client, get))).toBe("echo-v1");
  });
});

describe("a reply of a route", () => {
  test("has its body, type and fields, and the route's edits of responses", () => {
    const reply = {
      status: 200,
      body: '{"up":true}',
      contentType: "application/json",
      headers: [{ name: "X-A", value: "1" }],
    };
    const responseHeaders = { set: [{ name: "X-A", value: "2" }], add: [{ name: "X-B", value: "3" }] };
    const mesh = new EchoMesh([{ routes: [{ reply, responseHeaders }] }]);
    expect(exchange(mesh, mesh.client(), get)).toBe(
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\nx-a: 2\r\nx-b: 3\r\n\r\n{"up":true}',
    );
    expect(exchange(mesh, mesh.client(), get.replace("GET", "HEAD"))).toEndWith("x-b: 3\r\n\r\n");
  });

  test("of a status without a body says nothing about one, and the connection goes on", () => {
    const mesh = new EchoMesh([
      {
        routes: [
          { match: exact("/a"), reply: { status: 204 } },
          { match: exact("/b"), reply: { status: 304 } },
        ],
      },
    ]);
    const client = mesh.client();
    expect(exchange(mesh, client, get)).toBe("HTTP/1.1 204 No Content\r\n\r\n");
    expect(exchange(mesh, client, get.replace("/a", "/b"))).toBe("HTTP/1.1 304 Not Modified\r\n\r\n");
    expect(exchange(mesh, client, get)).toBe("HTTP/1.1 204 No Content\r\n\r\n");
  });

  test("waits for no body: what a client sends with it does not become the next request", () => {
    const mesh = new EchoMesh([{ routes: [{ match: exact("/a"), redirect: { path: "/b" } }] }]);
    const client = mesh.client();
    const post = "POST /a HTTP/1.1\r\nHost: echo\r\nContent-Length: 42\r\n\r\n";
    const response = exchange(mesh, client, post);
    expect(response).toStartWith("HTTP/1.1 302 Found\r\n");
    expect(response).toContain("location: http://echo/b\r\n");
    expect(response).toContain("connection: close\r\n");
    expect(exchange(mesh, client, get.replace("/a", "/c"))).toBe("");
  });

  test("is counted as a refusal only when it is one", () => {
    const mesh = new EchoMesh([
      {
        unmatched: "reply-404",
        routes: [
          { match: exact("/a"), reply: { status: 403 } },
          { match: exact("/b"), rewrite: { regex: { pattern: "b", substitution: "..;" } } },
        ],
      },
    ]);
    expect(["/a", "/b", "/c"].map((path) => mesh.get(path).status)).toEqual([403, 400, 404]);
    const metrics = mesh.metrics();
    const count = (reason: string): number =>
      Number(
        new RegExp(`^atoll_proxy_requests_refused_total\\{[^}]*reason="${reason}"[^}]*\\} (\\d+)$`, "m").exec(
          metrics,
        )?.[1] ?? 0,
      );
    expect([count("denied"), count("bad_rewrite"), count("no_route")]).toEqual([0, 1, 1]);
  });

  test("to a gRPC call is in gRPC's terms", () => {
    const mesh = new EchoMesh([{ routes: [{ reply: { status: 503, body: "down" } }] }], "grpc");
    const { fields, seen } = mesh.call("/a.B/C");
    expect([fields["grpc-status"], fields["grpc-message"], seen]).toEqual(["14", "down", undefined]);
  });
});

test("an upgrade is routed, rewritten and tunnelled", () => {
  const mesh = new EchoMesh([
    {
      routes: [
        { match: { path: { type: "path-prefix", value: "/chat" }, methods: ["GET"] }, rewrite: { prefix: "/ws" } },
      ],
    },
  ]);
  const client = mesh.client();
  const upgrade = "GET /chat/1 HTTP/1.1\r\nHost: echo\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const response = exchange(mesh, client, upgrade);
  expect(response).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\nGET \/ws\/1 HTTP\/1\.1\r\n/s);
  mesh.apply([{ routes: [{ match: { methods: ["CONNECT"] }, reply: { status: 200 } }], unmatched: "reply-404" }], 2);
  expect(exchange(mesh, mesh.client(), upgrade)).toStartWith("HTTP/1.1 404 ");
});

test("what an application claims about its identity is not passed on by a route either", () => {
  const mesh = new EchoMesh([{ routes: [{ requestHeaders: { set: [{ name: "X-A", value: "1" }] } }] }]);
  const fields = { "X-Forwarded-Client-Cert": "URI=spiffe://forged", "X-A": "0" };
  const seen = mesh.get("/", { fields }).seen?.fields ?? {};
  expect(seen["x-a"]).toBe("1");
  expect(seen["x-forwarded-client-cert"]).toContain("svc/client");
  expect(seen["x-forwarded-client-cert"]).not.toContain("forged");
});

test("a rewritten host is the one that the application reads", () => {
  const mesh = new EchoMesh([{ routes: [{ rewrite: { host: "Inner.example:8080" }, forward: to("echo-v1") }] }]);
  expect(mesh.get("/", { host: "echo" }).seen?.fields["host"]).toBe("Inner.example:8080");
});
