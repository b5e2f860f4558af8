import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../../../proxy/http2/error-codes.ts";
import { Http2Client, http2Mesh } from "../http2-ends.ts";
import { answer, deliver, get, ok } from "../exchange/talk.ts";
import { calleeConfig, MemoryMesh, type Wire } from "../memory-mesh.ts";

/** Permissions of a caller at an inbound listener, with both proxies and everything between. */
const source = "spiffe://*/ns/default/dc/*/svc/web";
const named = (permission: string): string => `${permission} (${source})`;

function withPermissions(permissions: readonly object[], more: object = {}) {
  return { intentions: { default: "deny", rules: [{ source, permissions }], ...more } };
}

const noAdmin = withPermissions([
  { action: "deny", path: { type: "path-prefix", value: "/admin" } },
  { action: "allow" },
]);
const noChat = withPermissions([
  { action: "deny", path: { type: "path-prefix", value: "/chat" } },
  { action: "allow" },
]);
const denied = /^atoll_proxy_requests_refused_total\{direction="inbound".*reason="denied"\} (\d+)$/m;
const dryRuns = /^atoll_proxy_dry_run_denials_total\{.*listener="127.0.0.1:20000"\} (\d+)$/m;
const isGone = (end: Wire): boolean => end.hasEnded || end.connection.isClosed;
const count = (mesh: MemoryMesh, pattern: RegExp): number => Number(pattern.exec(mesh.metricsOfCallee())?.[1]);

describe("a request", () => {
  test("that a permission denies is answered with the name of the rule and nothing else", () => {
    const mesh = new MemoryMesh({ inbound: noAdmin });
    const client = mesh.client();
    client.send("GET /admin/secrets?token=x HTTP/1.1\r\nHost: api\r\n\r\n");
    mesh.settle();
    const body = `RBAC: access denied by ${named("rules[0].permissions[0]")}\n`;
    expect(client.take()).toBe(
      `HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    expect(mesh.apps).toEqual([]);
    expect(count(mesh, denied)).toBe(1);
    expect(deliver(mesh, client, get)).toStartWith("GET / ");
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });

  test("that repeats is denied and allowed every time, by the rules of the moment", () => {
    const mesh = new MemoryMesh({ inbound: noAdmin });
    const client = mesh.client();
    const ask = (): string => {
      client.send("GET /chat HTTP/1.1\r\nHost: api\r\n\r\n");
      mesh.settle();
      if (mesh.apps.length > 0 && mesh.app().take() !== "") return answer(mesh, client, ok("x")).slice(9, 12);
      return client.take().slice(9, 12);
    };
    expect([ask(), ask(), ask()]).toEqual(["200", "200", "200"]);
    mesh.callee.apply(calleeConfig("allow", "http", noChat), 2);
    expect([ask(), ask(), ask()]).toEqual(["403", "403", "403"]);
    mesh.callee.apply(calleeConfig("allow", "http", noAdmin), 3);
    expect([ask(), ask()]).toEqual(["200", "200"]);
  });

  test("in dry run is passed on and counted", () => {
    const mesh = new MemoryMesh({ inbound: withPermissions([{ action: "deny" }], { dryRun: true }) });
    const client = mesh.client();
    for (let i = 1; i <= 3; i++) {
      expect(deliver(mesh, client, get)).toStartWith("GET / ");
      expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
      expect([count(mesh, dryRuns), count(mesh, denied)]).toEqual([i, 0]);
    }
  });

  test("of gRPC is denied in its own terms", () => {
    const inbound = withPermissions([
      { action: "allow", path: { type: "exact", value: "/echo.Echo/Unary" }, methods: ["POST"] },
    ]);
    const { mesh, app } = http2Mesh("grpc", { inbound });
    const client = new Http2Client(mesh);
    const grpc = ["content-type", "application/grpc", "te", "trailers"];
    client.request("POST /echo.Echo/Unary", grpc);
    expect(app.take().length).toBeGreaterThan(0);
    client.request("POST /echo.Echo/Stream", grpc);
    const [event = ""] = client.take();
    expect(event).toContain("|grpc-status|7|");
    expect(event).toContain("default, no permission of rules[0]");
    expect(app.take()).toEqual([]);
  });
});

test("a caller with permissions gets no connection of tcp", () => {
  const mesh = new MemoryMesh();
  const intentions = { default: "allow", rules: [{ source, permissions: [{ action: "allow" }] }] };
  const tcp = { ...calleeConfig("allow"), inbound: calleeConfig("allow", "tcp", { intentions }).inbound.slice(0, 1) };
  mesh.callee.apply(tcp, 2);
  const caller = mesh.bareCaller("web");
  caller.send("hello");
  mesh.settle();
  expect(mesh.apps).toEqual([]);
  expect(mesh.metricsOfCallee()).toMatch(/connections_refused_total\{.*reason="denied"\} 1$/m);
});

describe("a permission that is taken away cuts", () => {
  const chat = "GET /chat HTTP/1.1\r\nHost: api\r\n";

  test("a response under way", () => {
    const mesh = new MemoryMesh({ inbound: noAdmin });
    const client = mesh.client();
    deliver(mesh, client, `${chat}\r\n`);
    expect(answer(mesh, client, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst")).toEndWith("first");
    mesh.callee.apply(calleeConfig("allow", "http", noChat), 2);
    mesh.settle();
    expect([isGone(client), isGone(mesh.app())]).toEqual([true, true]);
    expect(client.take()).toBe("");
    expect(count(mesh, denied)).toBe(1);
  });

  test("a request that the app has not answered, with a 403", () => {
    const mesh = new MemoryMesh({ inbound: noAdmin });
    const client = mesh.client();
    deliver(mesh, client, `${chat}\r\n`);
    mesh.callee.apply(calleeConfig("allow", "http", noChat), 2);
    mesh.settle();
    expect(client.take()).toEndWith(`RBAC: access denied by ${named("rules[0].permissions[0]")}\n`);
    expect(isGone(mesh.app())).toBe(true);
  });

  test("a WebSocket", () => {
    const mesh = new MemoryMesh({ inbound: noAdmin });
    const client = mesh.client();
    deliver(mesh, client, `${chat}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    expect(answer(mesh, client, `${switched}hello`)).toEndWith("hello");
    mesh.callee.apply(calleeConfig("allow", "http", noChat), 2);
    mesh.settle();
    expect([isGone(client), isGone(mesh.app())]).toEqual([true, true]);
  });

  test("a stream of gRPC, and no other on its connection", () => {
    const { mesh, app } = http2Mesh("grpc", { inbound: noAdmin });
    const client = new Http2Client(mesh);
    const grpc = ["content-type", "application/grpc", "te", "trailers"];
    client.request("POST /chat/Stream", grpc, { isEnd: false });
    client.request("POST /other/Stream", grpc, { isEnd: false });
    for (const id of [1, 3]) app.respond(mesh, id, [":status", "200", "content-type", "application/grpc"]);
    client.take();
    app.take();
    mesh.callee.apply(calleeConfig("allow", "grpc", noChat), 2);
    client.settle();
    expect(client.take()).toEqual([`1 reset ${ErrorCode.cancel} by peer`]);
    expect(app.take()).toEqual([`1 reset ${ErrorCode.cancel} by peer`]);
    app.data(mesh, 3, "more");
    client.settle();
    expect(client.take().join()).toContain("3 ");
  });

  test("everything of a caller that has lost its rule", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, `${chat}\r\n`);
    answer(mesh, client, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst");
    mesh.callee.apply(calleeConfig("deny"), 2);
    mesh.settle();
    expect(isGone(client)).toBe(true);
  });

  test("nothing that the new rules allow", () => {
    const mesh = new MemoryMesh({ inbound: noChat });
    const client = mesh.client();
    deliver(mesh, client, get);
    mesh.callee.apply(calleeConfig("allow", "http", noAdmin), 2);
    mesh.settle();
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });
});
