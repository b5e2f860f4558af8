import { describe, expect, test } from "bun:test";
import { get, ok } from "../exchange/talk.ts";
import { http2Mesh } from "../http2-ends.ts";
import { calleeConfig, callerConfig, MemoryMesh, type MemoryMeshOptions, type Wire } from "../memory-mesh.ts";

const fixed = (limit: number) => ({ enabled: true, minConcurrency: limit, maxConcurrency: limit, fixedMinRttMs: 1 });
const body = "reached concurrency limit\n";
const refused = `HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

function send(mesh: MemoryMesh, count: number, path = "/"): Wire[] {
  return Array.from({ length: count }, () => {
    const client = mesh.client();
    client.send(get.replace("/", path));
    mesh.settle();
    return client;
  });
}

function answerAll(mesh: MemoryMesh): void {
  for (const app of mesh.apps) if (app.take() !== "") app.send(ok("x"));
  mesh.settle();
}

const statuses = (clients: readonly Wire[]): string => clients.map((client) => client.take().slice(9, 12)).join(" ");
const gauge = (page: string, name: string): number =>
  Number(new RegExp(`^atoll_proxy_concurrency_${name}\\{.*\\} (\\S+)$`, "m").exec(page)?.[1]);

describe("a limit of the requests under way", () => {
  test.each(["inbound", "outbound"] as const)("of an %s listener refuses what is more at once", (side) => {
    const accessLog = { enabled: true, format: "text", textFormat: "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%" };
    const mesh = new MemoryMesh({ [side]: { adaptiveConcurrency: fixed(2) }, telemetry: { accessLog } });
    const page = () => (side === "inbound" ? mesh.metricsOfCallee() : mesh.metrics());
    const clients = send(mesh, 3);
    expect(clients[2]?.take()).toBe(refused);
    expect([gauge(page(), "limit"), gauge(page(), "in_flight"), gauge(page(), "min_rtt_ms")]).toEqual([2, 2, 1]);
    expect(page()).toMatch(/requests_refused_total\{.*reason="concurrency_limit"\} 1\n/);
    expect(mesh.outputs.lines()).toContain("UO concurrency_limit");
    answerAll(mesh);
    expect(statuses(clients.slice(0, 2))).toBe("200 200");
    expect(gauge(page(), "in_flight")).toBe(0);
    const next = send(mesh, 3);
    answerAll(mesh);
    expect(statuses(next)).toBe("200 200 503");
    // The other proxy has no limit, and says nothing of any.
    expect(side === "inbound" ? mesh.metrics() : mesh.metricsOfCallee()).not.toContain("_concurrency_");
  });

  test("is that of each cluster, whatever route leads there", () => {
    const routes = [{ match: { path: { type: "prefix", value: "/v2" } }, forward: { targets: [{ cluster: "v2" }] } }];
    const endpoints = [{ address: "127.0.0.1:20000" }];
    const clusters = [{ name: "v2", service: "api", endpoints, adaptiveConcurrency: fixed(1) }];
    const mesh = new MemoryMesh({ outbound: { routes, clusters } });
    const clients = [...send(mesh, 2, "/v2"), ...send(mesh, 3)];
    answerAll(mesh);
    expect(statuses(clients)).toBe("200 503 200 200 200");
    expect(mesh.metrics()).toMatch(/concurrency_limit\{.*cluster="v2"\} 1\n/);
  });

  test("begins and ends with the document; what is under way is still counted where it began", () => {
    const mesh = new MemoryMesh();
    const apply = (adaptiveConcurrency: object, version: number) =>
      mesh.callee.apply(calleeConfig("allow", "http", { adaptiveConcurrency }), version);
    const before = send(mesh, 4);
    apply(fixed(1), 2);
    const during = send(mesh, 2);
    expect(gauge(mesh.metricsOfCallee(), "in_flight")).toBe(1);
    apply(fixed(2), 3);
    const after = send(mesh, 3);
    answerAll(mesh);
    expect(gauge(mesh.metricsOfCallee(), "in_flight")).toBe(0);
    expect([statuses(before), statuses(during), statuses(after)]).toEqual([
      "200 200 200 200",
      "200 503",
      "200 200 503",
    ]);
    apply({}, 4);
    const free = send(mesh, 5);
    answerAll(mesh);
    expect(statuses(free)).toBe("200 200 200 200 200");
    mesh.caller.apply(callerConfig(["127.0.0.1:20000"], "http", { adaptiveConcurrency: fixed(1) }), 2);
    const limited = send(mesh, 2);
    answerAll(mesh);
    expect(statuses(limited)).toBe("200 503");
  });

  test("gives the place of a request back that its caller is not allowed any more", () => {
    const mesh = new MemoryMesh({ inbound: { adaptiveConcurrency: fixed(1) } });
    const [client] = send(mesh, 1);
    const intentions = { default: "deny", rules: [] };
    mesh.callee.apply(calleeConfig("allow", "http", { intentions, adaptiveConcurrency: fixed(1) }), 2);
    mesh.settle();
    expect(client?.take().slice(9, 12)).toBe("403");
    expect(gauge(mesh.metricsOfCallee(), "in_flight")).toBe(0);
  });

  test("gives the places of a client that is gone back, and of an application that is", () => {
    const mesh = new MemoryMesh({ inbound: { adaptiveConcurrency: fixed(2) } });
    for (const client of send(mesh, 2)) client.connection.destroy();
    mesh.settle();
    expect(gauge(mesh.metricsOfCallee(), "in_flight")).toBe(0);
    const clients = send(mesh, 2);
    for (const app of mesh.apps) app.connection.destroy();
    mesh.settle();
    expect(gauge(mesh.metricsOfCallee(), "in_flight")).toBe(0);
    expect(statuses(clients)).toBe("503 503");
  });

  test("counts calls of gRPC-Web until their last frame, and refuses them in their own words", () => {
    const world = http2Mesh("grpc", { outbound: { adaptiveConcurrency: fixed(1) } });
    const { mesh, app } = world;
    const call =
      "POST /E/S HTTP/1.1\r\nHost: api\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0";
    const [first, second] = [mesh.client(), mesh.client()];
    first.send(call);
    mesh.settle();
    expect(gauge(mesh.metrics(), "in_flight")).toBe(1);
    second.send(call);
    mesh.settle();
    expect(second.take()).toMatch(
      /^HTTP\/1.1 200 OK\r\ncontent-type: application\/grpc-web\+proto\r\ngrpc-status: 14\r\n/,
    );
    app.respond(mesh, 1, [":status", "200", "content-type", "application/grpc+proto"]);
    expect(gauge(mesh.metrics(), "in_flight")).toBe(1);
    app.trailers(mesh, 1, ["grpc-status", "0"]);
    expect(gauge(mesh.metrics(), "in_flight")).toBe(0);
    expect(first.take()).toStartWith("HTTP/1.1 200 OK");
    first.send(call);
    mesh.settle();
    first.connection.destroy();
    mesh.settle();
    expect(gauge(mesh.metrics(), "in_flight")).toBe(0);
  });

  test("does not count tunnels, which have no end of their own", () => {
    const mesh = new MemoryMesh({ inbound: { adaptiveConcurrency: fixed(1) } });
    const upgrade = "GET /chat HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const sockets = Array.from({ length: 3 }, () => {
      const client = mesh.client();
      client.send(upgrade);
      mesh.settle();
      mesh.app().take();
      mesh.app().send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      mesh.settle();
      return client;
    });
    expect(statuses(sockets)).toBe("101 101 101");
    const clients = send(mesh, 2);
    answerAll(mesh);
    expect(statuses(clients)).toBe("200 503");
  });
});

/** An application that works on so many requests at a time, each for `serviceMs`, and lets the others wait. */
class BusyApp {
  mostAtOnce = 0;
  readonly #mesh: MemoryMesh;
  readonly #waiting: Wire[] = [];
  readonly #working = new Map<Wire, number>();
  workers = 4;
  serviceMs = 20;

  constructor(mesh: MemoryMesh) {
    this.#mesh = mesh;
  }

  step(nowMs: number): void {
    for (const [app, endMs] of this.#working) {
      if (endMs > nowMs) continue;
      this.#working.delete(app);
      app.send(ok("x"));
    }
    for (const app of this.#mesh.apps) if (app.take() !== "") this.#waiting.push(app);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#waiting.length + this.#working.size);
    while (this.#working.size < this.workers) {
      const app = this.#waiting.shift();
      if (app === undefined) break;
      this.#working.set(app, nowMs + this.serviceMs);
    }
    this.#mesh.settle();
  }
}

/** Clients that ask again as soon as they have an answer, for so long; how often which status was seen. */
async function load(
  mesh: MemoryMesh,
  app: BusyApp,
  clients: readonly Wire[],
  ms: number,
): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let passed = 0; passed < ms; passed += 5) {
    for (const client of clients) {
      const answer = client.take();
      if (answer === "" && passed > 0) continue;
      if (answer !== "") seen[answer.slice(9, 12)] = (seen[answer.slice(9, 12)] ?? 0) + 1;
      client.send(get);
    }
    mesh.settle();
    app.step(mesh.clock.monotonicMs());
    await mesh.pass(5);
  }
  return seen;
}

test("an application that is asked for too much keeps its latency, and does all that it can", async () => {
  const run = async (options: MemoryMeshOptions) => {
    const mesh = new MemoryMesh(options);
    const app = new BusyApp(mesh);
    const clients = Array.from({ length: 60 }, () => mesh.client());
    await load(mesh, app, clients, 2_000);
    app.mostAtOnce = 0;
    const seen = await load(mesh, app, clients, 2_000);
    return { mesh, app, seen };
  };
  // 4 at a time and 25 ms each, since the world moves in steps of 5 ms: 320 in two seconds.
  const free = await run({});
  expect(free.app.mostAtOnce).toBe(60);
  expect(free.seen).toEqual({ 200: expect.any(Number) });
  const limited = await run({
    inbound: { adaptiveConcurrency: { enabled: true, minRttRequests: 10, minConcurrency: 2 } },
  });
  const limit = gauge(limited.mesh.metricsOfCallee(), "limit");
  expect(limit).toBeGreaterThanOrEqual(4);
  expect(limit).toBeLessThanOrEqual(10);
  expect(limited.app.mostAtOnce).toBeLessThanOrEqual(12);
  expect(limited.seen["200"]).toBeGreaterThan((free.seen["200"] ?? 0) * 0.9);
  expect(limited.seen["503"]).toBeGreaterThan(1_000);
  expect(gauge(limited.mesh.metricsOfCallee(), "min_rtt_ms")).toBeGreaterThan(15);
});
