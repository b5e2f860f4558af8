import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../../../proxy/http2/error-codes.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { Http2Client, http2Mesh } from "../http2-ends.ts";
import { calleeConfig } from "../memory-mesh.ts";

const grpc = ["content-type", "application/grpc+proto", "te", "trailers"];
const grpcHead = [":status", "200", "content-type", "application/grpc+proto"];
const trailersOnly = (status: number, message: string): string =>
  `1 response :status|200|content-type|application/grpc|grpc-status|${status}|grpc-message|${message} end`;

describe("an answer of a proxy to a gRPC call", () => {
  test("is a response of trailers only, with the status that gRPC has for it", () => {
    const cases = [
      [http2Mesh("grpc", { outbound: { endpoints: [] } }), "POST /E/S", 14, "no healthy upstream"],
      [
        http2Mesh("grpc", { outbound: { endpoints: [{ address: "127.0.0.1:9" }] } }),
        "POST /E/S",
        14,
        "upstream connect failure",
      ],
      [http2Mesh("grpc"), "POST /E%00/S", 13, "escaped nul"],
      [http2Mesh("http2"), "POST /E%00/S", 13, "escaped nul"],
    ] as const;
    for (const [{ mesh }, start, status, message] of cases) {
      const client = new Http2Client(mesh);
      client.request(start, grpc);
      expect(client.take()).toEqual([trailersOnly(status, message)]);
    }
  });

  test("denies in that form too, and is passed on by the caller's proxy", () => {
    const { mesh } = http2Mesh("grpc");
    mesh.callee.apply(calleeConfig("deny", "grpc"), 2);
    const client = new Http2Client(mesh);
    client.request("POST /E/S", grpc);
    expect(client.take()).toEqual([
      trailersOnly(7, "RBAC: access denied by rules[0] (spiffe://*/ns/default/dc/*/svc/web)"),
    ]);
  });

  test("ends the request for a client that has not finished it", () => {
    const { mesh } = http2Mesh("grpc", { outbound: { endpoints: [] } });
    const client = new Http2Client(mesh);
    client.request("POST /E/S", grpc, { isEnd: false });
    expect(client.take()).toEqual([trailersOnly(14, "no healthy upstream"), "1 reset 0 by peer"]);
  });

  test("has no body over HTTP/1.1 either", () => {
    const { mesh } = http2Mesh("grpc", { outbound: { endpoints: [] } });
    const client = mesh.client();
    client.send("POST /E/S HTTP/1.1\r\nHost: api\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
    mesh.settle();
    expect(client.take()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*grpc-status: 14\r\n.*content-length: 0\r\n\r\n$/s);
  });

  test("to others than gRPC stays one of HTTP", () => {
    const { mesh } = http2Mesh("grpc", { outbound: { endpoints: [] } });
    const client = new Http2Client(mesh);
    client.request("GET /", ["content-type", "application/grpcx"]);
    expect(client.take()[0]).toStartWith("1 response :status|503|");
  });
});

describe("a call that ends early", () => {
  /** A call whose response has begun, with one message on its way. */
  function begun() {
    const world = http2Mesh("grpc");
    const client = new Http2Client(world.mesh);
    const stream = client.request("POST /E/S", grpc, { isEnd: false });
    world.app.respond(world.mesh, 1, grpcHead);
    world.app.data(world.mesh, 1, "part");
    client.take();
    world.app.take();
    return { ...world, client, stream };
  }

  test.each([
    ["CANCEL", ErrorCode.cancel, ErrorCode.cancel],
    ["ENHANCE_YOUR_CALM", ErrorCode.enhanceYourCalm, ErrorCode.enhanceYourCalm],
    ["INTERNAL_ERROR", ErrorCode.internalError, ErrorCode.internalError],
    ["NO_ERROR in the middle", ErrorCode.noError, ErrorCode.internalError],
    ["PROTOCOL_ERROR", ErrorCode.protocolError, ErrorCode.internalError],
  ])("by the server with %s is an error to the client", (_name, sent, seen) => {
    const { mesh, app, client } = begun();
    app.reset(mesh, 1, sent);
    expect(client.take()).toEqual([`1 reset ${seen} by peer`]);
  });

  test("by the client is cancelled at the server", () => {
    const { app, client, stream } = begun();
    client.reset(stream, ErrorCode.cancel);
    expect(app.take()).toEqual([`1 reset ${ErrorCode.cancel} by peer`]);
  });

  test("by the server before its response is a status to the client", () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    client.request("POST /E/S", grpc, { isEnd: false });
    app.reset(mesh, 1, ErrorCode.internalError);
    expect(client.take()[0]).toBe(trailersOnly(14, "upstream connection was lost before the response"));
  });

  test("by a complete response is complete to the client, and the server may stop the request", () => {
    const { mesh, app, client } = begun();
    app.trailers(mesh, 1, ["grpc-status", "0"]);
    app.reset(mesh, 1, ErrorCode.noError);
    expect(client.take()).toEqual(["1 trailers grpc-status|0", "1 reset 0 by peer"]);
  });

  test("by a complete response reaches a slow client whole, whatever reset follows it", () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    // Its window stays shut.
    client.isReading = false;
    const stream = client.request("POST /E/S", grpc, { isEnd: false });
    app.respond(mesh, 1, grpcHead);
    const bulk = Buffer.alloc(300_000, "x");
    const sent = app.sendAll(mesh, 1, bulk, (http2, one) => {
      http2.trailers(one, new FieldBlock(["grpc-status", "0"]));
      http2.reset(one, ErrorCode.noError);
    });
    expect(sent()).toBe(bulk.length);
    const early = client.take();
    expect(early.join("").length).toBeLessThan(bulk.length);
    client.isReading = true;
    client.http2.consume(stream, bulk.length);
    client.settle();
    const late = client.take();
    expect(late.slice(-2)).toEqual(["1 trailers grpc-status|0", "1 reset 0 by peer"]);
    expect([...early, ...late].join("").replaceAll(/[^x]/g, "").length).toBe(bulk.length);
  });
});

describe("grpc-timeout", () => {
  const timed = (value: string): string[] => [...grpc, "grpc-timeout", value];

  test("ends a call without a response by its status, and cancels it at the server", async () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    client.request("POST /E/S", timed("100m"), { isEnd: false });
    expect(app.take()[0]).toContain("grpc-timeout|100m");
    await mesh.clock.advance(99);
    mesh.settle();
    expect([client.take(), app.take()]).toEqual([[], []]);
    await mesh.clock.advance(10);
    mesh.settle();
    expect(client.take()).toEqual([trailersOnly(4, "deadline exceeded"), "1 reset 0 by peer"]);
    expect(app.take()).toEqual(["1 reset 8 by peer"]);
    expect(mesh.metrics()).toContain(`reason="grpc_deadline"} 1`);
  });

  test("ends a call in the middle of its response by a reset, and cancels it at the server", async () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    client.request("POST /E/S", timed("1S"));
    app.respond(mesh, 1, grpcHead);
    app.data(mesh, 1, "part");
    client.take();
    app.take();
    await mesh.clock.advance(1_040);
    mesh.settle();
    expect(client.take()).toEqual(["1 reset 8 by peer"]);
    expect(app.take()).toEqual(["1 reset 8 by peer"]);
  });

  test("that the server finds passed before we do is a deadline, not a server that cannot be reached", async () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    client.request("POST /E/S", timed("1S"));
    await mesh.clock.advance(1_001);
    mesh.settle();
    expect(client.take()).toEqual([]);
    app.reset(mesh, 1, ErrorCode.cancel);
    expect(client.take()).toEqual([trailersOnly(4, "deadline exceeded")]);
  });

  test("that has not passed makes no deadline of a server's reset", async () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    client.request("POST /E/S", timed("1S"), { isEnd: false });
    await mesh.clock.advance(999);
    mesh.settle();
    app.reset(mesh, 1, ErrorCode.cancel);
    expect(client.take()[0]).toBe(trailersOnly(14, "upstream connection was lost before the response"));
  });

  test("ends a call for which no connection could be had yet", async () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    mesh.network.hold();
    client.request("POST /E/S", timed("50m"));
    await mesh.clock.advance(60);
    mesh.settle();
    expect(client.take()).toEqual([trailersOnly(4, "deadline exceeded")]);
    mesh.network.release();
    mesh.settle();
    expect(app.take()).toEqual([]);
  });

  test("leaves nothing behind when the call ends in time", () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = new Http2Client(mesh);
    const timers = mesh.clock.pendingTimers();
    for (const id of [1, 3, 5]) {
      client.request("POST /E/S", timed("30S"));
      app.respond(mesh, id, [...grpcHead, "grpc-status", "0"], true);
    }
    const given = client.request("POST /E/S", timed("30S"), { isEnd: false });
    expect(mesh.clock.pendingTimers()).toBe(timers + 2);
    client.reset(given, ErrorCode.cancel);
    expect(mesh.clock.pendingTimers()).toBe(timers);
  });

  test.each(["5", "-1S", "123456789m", "0m", "1s"])(
    "of %p is no deadline and goes to the server as it is",
    async (value) => {
      const { mesh, app } = http2Mesh("grpc");
      const client = new Http2Client(mesh);
      client.request("POST /E/S", timed(value));
      expect(app.take()[0]).toContain(`grpc-timeout|${value}`);
      await mesh.clock.advance(600);
      mesh.settle();
      expect([client.take(), app.take()]).toEqual([[], []]);
    },
  );

  test("of a request that is not gRPC means nothing", async () => {
    const { mesh, app } = http2Mesh("http2");
    const client = new Http2Client(mesh);
    client.request("GET /", ["grpc-timeout", "10m"]);
    await mesh.clock.advance(600);
    mesh.settle();
    app.respond(mesh, 1, [":status", "204"], true);
    expect(client.take()).toEqual(["1 response :status|204 end"]);
  });
});
