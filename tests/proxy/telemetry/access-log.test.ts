import { describe, expect, test } from "bun:test";
import { calleeConfig, MemoryMesh, type MemoryMeshOptions, trustDomain } from "../memory-mesh.ts";
import { answer, deliver, get, ok } from "../exchange/talk.ts";

const short = {
  enabled: true,
  format: "text",
  textFormat:
    "%DOWNSTREAM_LOCAL_ADDRESS% %REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %DOWNSTREAM_PEER_URI_SAN%",
};
const web = `spiffe://${trustDomain}/ns/default/dc/dc1/svc/web`;

function loggingMesh(accessLog: object = {}, options: MemoryMeshOptions = {}): MemoryMesh {
  return new MemoryMesh({ ...options, telemetry: { accessLog: { ...short, ...accessLog } } });
}

/** The lines of both proxies, those of the caller's first. */
function lines(mesh: MemoryMesh): string[] {
  return mesh.outputs.lines().toSorted();
}

/** A busy log is written ten times a second. */
const gathered = (mesh: MemoryMesh): Promise<void> => mesh.clock.advance(100);

describe("the access log", () => {
  test("has one line per request in each proxy: who called, where it went, how much and what came of it", () => {
    const mesh = loggingMesh();
    const client = mesh.client();
    deliver(mesh, client, "POST /a?x=1 HTTP/1.1\r\nHost: api\r\nContent-Length: 3\r\n\r\nabc");
    expect(mesh.outputs.lines()).toEqual([]);
    answer(mesh, client, ok("hello"));
    expect(lines(mesh)).toEqual([
      "127.0.0.1:15001 POST /a?x=1 HTTP/1.1 200 - via_upstream 3 5 memory:0 api -",
      `127.0.0.1:20000 POST /a?x=1 HTTP/2 200 - via_upstream 3 5 memory:0 local_app ${web}`,
    ]);
    expect(mesh.metrics()).toContain("\natoll_proxy_access_log_lines_total 1\n");
  });

  test("is off unless it is asked for, and goes on and off with the document", () => {
    const mesh = new MemoryMesh();
    deliver(mesh, mesh.client(), get);
    answer(mesh, mesh.client(), ok(""));
    expect(mesh.outputs.logs.size).toBe(0);
    const document = (accessLog: object) => calleeConfig("allow", "http", {}, {}, { accessLog });
    mesh.callee.apply(document({ enabled: true, path: "/var/log/a" }), 2);
    const client = mesh.client();
    deliver(mesh, client, get);
    answer(mesh, client, ok(""));
    expect(mesh.outputs.lines("/var/log/a").length).toBe(1);
    mesh.callee.apply(document({ enabled: false }), 3);
    deliver(mesh, client, get);
    answer(mesh, client, ok(""));
    expect(mesh.outputs.lines("/var/log/a").length).toBe(1);
  });

  test("tells of a client that went away", () => {
    const mesh = loggingMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    client.connection.destroy();
    mesh.settle();
    expect(lines(mesh).map((line) => line.split(" ").slice(4, 7).join(" "))).toEqual([
      "0 DC downstream_remote_disconnect",
      "0 DC downstream_remote_disconnect",
    ]);
  });

  test("tells of an upstream that is not there, that goes away, and of a caller who is denied", async () => {
    const mesh = loggingMesh();
    mesh.stopApp();
    const client = mesh.client();
    client.send(get);
    mesh.settle();
    expect(lines(mesh)).toEqual([
      "127.0.0.1:15001 GET / HTTP/1.1 503 - via_upstream 0 25 memory:0 api -",
      `127.0.0.1:20000 GET / HTTP/2 503 UF connect_failure 0 25 - local_app ${web}`,
    ]);
    mesh.outputs.logs.clear();
    mesh.startApp();
    deliver(mesh, client, get);
    mesh.app().connection.destroy();
    mesh.settle();
    await gathered(mesh);
    expect(lines(mesh)[1]).toStartWith("127.0.0.1:20000 GET / HTTP/2 503 UC upstream_lost");
    mesh.outputs.logs.clear();
    mesh.callee.apply(calleeConfig("deny", "http", {}, {}, { accessLog: short }), 2);
    client.send(get);
    mesh.settle();
    await gathered(mesh);
    expect(lines(mesh)[1]).toStartWith("127.0.0.1:20000 GET / HTTP/2 403 - denied 0 ");
  });

  test("tells of a request that cannot be read", async () => {
    const mesh = loggingMesh();
    const client = mesh.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
    mesh.settle();
    expect(lines(mesh)).toEqual(["127.0.0.1:15001 - - HTTP/1.1 400 DPE bad_content_length 0 0 - - -"]);
    mesh.outputs.logs.clear();
    const chunked = mesh.client();
    chunked.send("POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    mesh.settle();
    await gathered(mesh);
    expect(lines(mesh)[0]).toStartWith("127.0.0.1:15001 POST / HTTP/1.1 0 DPE malformed_body");
  });

  test("of errors only leaves the rest out, and a sample is a sample", async () => {
    const mesh = loggingMesh({ onlyErrors: true });
    const client = mesh.client();
    deliver(mesh, client, get);
    answer(mesh, client, ok(""));
    expect(lines(mesh)).toEqual([]);
    deliver(mesh, client, get);
    answer(mesh, client, "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n");
    expect(lines(mesh).length).toBe(2);

    const sampled = loggingMesh({ sample: 0.25 });
    const many = sampled.client();
    for (let i = 0; i < 400; i++) {
      deliver(sampled, many, get);
      answer(sampled, many, ok(""));
    }
    await gathered(sampled);
    expect(lines(sampled).length).toBeGreaterThan(140);
    expect(lines(sampled).length).toBeLessThan(260);
  });

  test("drops and counts what a slow output does not take, and requests do not wait for it", () => {
    const mesh = loggingMesh({ maxWaitingBytes: 4_096 });
    mesh.outputs.isSlow = true;
    const client = mesh.client();
    for (let i = 0; i < 100; i++) {
      deliver(mesh, client, get);
      expect(answer(mesh, client, ok("x"))).toEndWith("x");
    }
    const dropped = Number(/atoll_proxy_access_log_dropped_total (\d+)/.exec(mesh.metrics())?.[1]);
    expect(dropped).toBeGreaterThan(20);
    expect(dropped).toBeLessThan(80);
  });

  test("never has a secret, wherever it came from", () => {
    const mesh = loggingMesh({ format: "json", textFormat: "" });
    const client = mesh.client();
    deliver(
      mesh,
      client,
      "GET /a?access_token=hunter2 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer hunter2\r\nCookie: s=hunter2\r\n\r\n",
    );
    answer(mesh, client, "HTTP/1.1 200 OK\r\nset-cookie: s=hunter2\r\ncontent-length: 0\r\n\r\n");
    expect(lines(mesh).length).toBe(2);
    expect(lines(mesh).join()).toContain("access_token=[masked]");
    expect(lines(mesh).join()).not.toContain("hunter2");
  });

  test("tells what a gRPC call came to", () => {
    const textFormat = "%DOWNSTREAM_LOCAL_ADDRESS% %RESPONSE_CODE% %GRPC_STATUS_NUMBER% %RESPONSE_FLAGS%";
    const mesh = loggingMesh({ textFormat }, { protocol: "grpc" });
    mesh.stopApp();
    const client = mesh.client();
    client.send("POST /S/M HTTP/1.1\r\nHost: api\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
    mesh.settle();
    expect(lines(mesh)).toEqual(["127.0.0.1:15001 200 14 -", "127.0.0.1:20000 200 14 UF"]);
  });
});

test("the log names the route and the cluster that were chosen, and says NR where there is none", async () => {
  const textFormat =
    "%DOWNSTREAM_LOCAL_ADDRESS% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %ROUTE_NAME% %UPSTREAM_CLUSTER%";
  const routes = [
    { name: "pay", match: { path: { type: "prefix", value: "/pay" } }, rewrite: { path: "/charge" } },
    { name: "gone", match: { path: { type: "prefix", value: "/old" } }, reply: { status: 410, body: "no" } },
  ];
  const mesh = loggingMesh({ textFormat }, { outbound: { routes, unmatched: "reply-404" } });
  const client = mesh.client();
  expect(deliver(mesh, client, "GET /pay HTTP/1.1\r\nHost: api\r\n\r\n")).toStartWith("GET /charge ");
  answer(mesh, client, ok(""));
  for (const path of ["/old", "/else"]) {
    client.send(`GET ${path} HTTP/1.1\r\nHost: api\r\n\r\n`);
    mesh.settle();
  }
  await gathered(mesh);
  expect(lines(mesh)).toEqual([
    "127.0.0.1:15001 /else 404 NR - -",
    "127.0.0.1:15001 /old 410 - gone -",
    "127.0.0.1:15001 /pay 200 - pay api",
    "127.0.0.1:20000 /charge 200 - - local_app",
  ]);
});

test("a sample of the access log leaves what others count whole", async () => {
  const mesh = new MemoryMesh({ telemetry: { accessLog: { ...short, sample: 0.25 }, metrics: { names: ["own"] } } });
  const client = mesh.client();
  for (let i = 0; i < 400; i++) {
    deliver(mesh, client, get);
    answer(mesh, client, ok(""));
  }
  expect(mesh.metrics()).toMatch(/\natoll_proxy_requests_total\{[^}]*\} 400\n/);
  await gathered(mesh);
  expect(lines(mesh).length).toBeGreaterThan(140);
  expect(lines(mesh).length).toBeLessThan(260);
});

describe("the access log of relayed connections", () => {
  const port = 15_002;

  test("has one line per connection in each proxy, when it is over", () => {
    const mesh = loggingMesh();
    const client = mesh.client(port);
    client.send("hello ");
    mesh.settle();
    client.send("there");
    mesh.settle();
    mesh.app().send("hi");
    mesh.settle();
    expect(lines(mesh)).toEqual([]);
    client.connection.destroy();
    mesh.settle();
    expect(lines(mesh)).toEqual([
      "127.0.0.1:15002 - - - 0 - - 11 2 memory:0 api -",
      `127.0.0.1:20001 - - - 0 - - 11 2 memory:0 local_app ${web}`,
    ]);
  });

  test("tells of one that reached nobody, and of a caller who is denied", async () => {
    const mesh = loggingMesh({ onlyErrors: true });
    mesh.stopApp();
    mesh.client(port);
    mesh.settle();
    expect(lines(mesh)).toEqual([`127.0.0.1:20001 - - - 0 UF connect_failure 0 0 - local_app ${web}`]);
    mesh.callee.apply(calleeConfig("deny", "http", {}, {}, { accessLog: short }), 2);
    mesh.client(port);
    mesh.settle();
    await gathered(mesh);
    expect(lines(mesh)).toContain(`127.0.0.1:20001 - - - 0 - denied 0 0 - - ${web}`);
  });

  test("counts for no golden metric, since it is no request", () => {
    const mesh = new MemoryMesh({ telemetry: { accessLog: short, metrics: { names: ["own"] } } });
    const client = mesh.client(port);
    client.connection.destroy();
    mesh.settle();
    expect(mesh.outputs.lines().length).toBe(2);
    expect(mesh.metrics()).not.toMatch(/\natoll_proxy_requests_total\{[^}]*\} 1/);
  });
});
