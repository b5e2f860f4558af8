import { describe, expect, test } from "bun:test";
import { get, ok } from "../../exchange/talk.ts";
import { Http2Client } from "../../http2-ends.ts";
import { calleeConfig, MemoryMesh, type MemoryMeshOptions, type Wire } from "../../memory-mesh.ts";

const format =
  "%DOWNSTREAM_LOCAL_ADDRESS% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %UPSTREAM_REQUEST_ATTEMPT_COUNT%";
const telemetry = { accessLog: { enabled: true, format: "text", textFormat: `${format}\n` } };
const listener = "127.0.0.1:15001 ";
const delay = { fixedDelayMs: 1_000, percent: 100 };
const abort = { httpStatus: 503, percent: 100 };

class FaultyMesh extends MemoryMesh {
  constructor(fault: object, more: MemoryMeshOptions = {}) {
    super({ telemetry, ...more, outbound: { fault, ...more.outbound } });
    this.onApp = (app) => {
      const { handler } = app.connection;
      app.connection.handler = {
        ...handler,
        onData: (chunk) => {
          handler.onData(chunk);
          app.send(ok("fine"));
        },
      };
    };
  }

  ask(text = get): Wire {
    const client = this.client();
    client.send(text);
    this.settle();
    return client;
  }

  /** Of the caller's proxy. */
  log(): string[] {
    const lines = (this.outputs.logs.get("stdout") ?? "").split("\n");
    return lines.flatMap((line) => (line.startsWith(listener) ? [line.slice(listener.length)] : []));
  }
}

const status = (client: Wire): string => client.received.slice(9, 12);

describe("a delay", () => {
  test("holds a request up before there is a connection, and says so in the log", async () => {
    const mesh = new FaultyMesh({ delay });
    const client = mesh.ask();
    await mesh.pass(990);
    expect([client.received, mesh.apps.length]).toEqual(["", 0]);
    expect(mesh.metrics()).toContain(
      'fault_active{direction="outbound",service="api",listener="127.0.0.1:15001",route=""} 1\n',
    );
    await mesh.pass(50);
    expect(client.take()).toEndWith("fine");
    expect(mesh.metrics()).toMatch(/faults_injected_total\{.*kind="delay"\} 1\n/);
    expect(mesh.metrics()).toMatch(/fault_active\{.*\} 0\n/);
    await mesh.pass(3_000);
    expect(mesh.log()).toEqual(["200 DI via_upstream - 1"]);
  });

  test("counts in the time of a request, whose end it does not survive", async () => {
    const mesh = new FaultyMesh({ delay }, { outbound: { timeoutMs: 300 } });
    const client = mesh.ask();
    for (let ms = 0; ms < 350; ms += 2) await mesh.pass(2);
    expect([status(client), mesh.apps.length]).toEqual(["504", 0]);
    const longer = new FaultyMesh({ delay }, { outbound: { timeoutMs: 1_200 } });
    longer.onApp = () => undefined;
    const late = longer.ask();
    await longer.pass(1_150);
    expect([late.received, longer.apps.length]).toEqual(["", 1]);
    await longer.pass(150);
    expect(status(late)).toBe("504");
    await longer.pass(3_000);
    expect(longer.log()).toEqual(["504 UT,DI request_timeout - 1"]);
  });

  test("comes before the first try, and not before the others", async () => {
    const mesh = new FaultyMesh({ delay }, { outbound: { retry: { attempts: 1, perTryTimeoutMs: 500 } } });
    const client = mesh.ask();
    await mesh.pass(1_100);
    expect(status(client)).toBe("200");
  });

  test("ends with its client, and leaves nothing behind", async () => {
    const mesh = new FaultyMesh({ delay });
    await mesh.pass(10);
    const before = mesh.clock.pendingTimers();
    const client = mesh.ask();
    expect(mesh.clock.pendingTimers()).toBe(before + 1);
    client.connection.destroy();
    mesh.settle();
    expect(mesh.metrics()).toMatch(/fault_active\{.*\} 0\n/);
    expect(mesh.clock.pendingTimers()).toBe(before);
    await mesh.pass(2_000);
    expect(mesh.apps.length).toBe(0);
  });

  test("of as many as there may be is the end: others go without", async () => {
    const mesh = new FaultyMesh({ delay, maxActive: 2 });
    const clients = [mesh.ask(), mesh.ask(), mesh.ask()];
    expect(clients.map(status)).toEqual(["", "", "200"]);
    expect(mesh.metrics()).toMatch(/faults_overflow_total\{.*\} 1\n/);
    await mesh.pass(1_050);
    expect(clients.map(status)).toEqual(["200", "200", "200"]);
  });
});

describe("an abort", () => {
  test("is the proxy's answer, and is not tried again", async () => {
    const mesh = new FaultyMesh({ abort }, { outbound: { retry: { attempts: 3, on: ["5xx"] } } });
    const client = mesh.ask();
    expect(client.take()).toContain("503 Service Unavailable");
    expect(mesh.apps.length).toBe(0);
    expect(mesh.metrics()).toMatch(/requests_refused_total\{.*reason="fault_injected"\} 1\n/);
    expect(mesh.metrics()).toMatch(/retries_total\{.*listener="127.0.0.1:15001"\} 0\n/);
    await mesh.pass(3_000);
    expect(mesh.log()).toEqual(["503 FI fault_injected - 0"]);
  });

  test("comes after the delay", async () => {
    const mesh = new FaultyMesh({ delay, abort });
    const client = mesh.ask();
    await mesh.pass(990);
    expect(client.received).toBe("");
    await mesh.pass(50);
    expect(status(client)).toBe("503");
    await mesh.pass(3_000);
    expect(mesh.log()).toEqual(["503 DI,FI fault_injected - 0"]);
  });

  test("is of requests with certain fields only", () => {
    const headers = [{ name: "x-user", type: "exact", value: "eve" }];
    const mesh = new FaultyMesh({ abort, headers });
    expect(status(mesh.ask())).toBe("200");
    expect(status(mesh.ask("GET / HTTP/1.1\r\nHost: api\r\nX-User: eve\r\n\r\n"))).toBe("503");
  });

  test("of a route stands in the place of its listener's, and an empty one for none", async () => {
    const route = (name: string, fault?: object): object => ({
      name,
      match: { path: { type: "exact", value: `/${name}` } },
      forward: { targets: [{}], ...(fault !== undefined && { fault }) },
    });
    const routes = [route("own", { abort: { httpStatus: 418, percent: 100 } }), route("none", {}), route("other")];
    const mesh = new FaultyMesh({ abort }, { outbound: { routes } });
    const asked = ["own", "none", "other", "unrouted"].map((path) => status(mesh.ask(get.replace("/", `/${path}`))));
    expect(asked).toEqual(["418", "200", "503", "503"]);
    await mesh.pass(3_000);
    expect(mesh.log().map((line) => line.split(" ").slice(0, 4).join(" "))).toEqual([
      "418 FI fault_injected own",
      "200 - via_upstream none",
      "503 FI fault_injected other",
      "503 FI fault_injected -",
    ]);
  });

  test("of the service that is called is its own proxy's", () => {
    const mesh = new FaultyMesh({}, { inbound: { fault: { abort: { httpStatus: 500, percent: 100 } } } });
    expect(status(mesh.ask())).toBe("500");
    expect(mesh.metricsOfCallee()).toMatch(/refused_total\{.*reason="fault_injected"\} 1\n/);
    expect(mesh.metrics()).toMatch(/refused_total\{.*reason="fault_injected"\} 0\n/);
  });
});

describe("the time of a fault", () => {
  test("ends it, which the metrics say", async () => {
    const mesh = new FaultyMesh({ abort, ttlMs: 5_000 });
    const inForce = (): string | undefined => /fault_in_force\{.*\} (\d)\n/.exec(mesh.metrics())?.[1];
    expect([status(mesh.ask()), inForce()]).toEqual(["503", "1"]);
    await mesh.pass(4_900);
    expect([status(mesh.ask()), inForce()]).toEqual(["503", "1"]);
    await mesh.pass(200);
    expect([status(mesh.ask()), inForce()]).toEqual(["200", "0"]);
  });

  test("goes on when something else is configured, and begins anew with another fault", async () => {
    const mesh = new FaultyMesh({ abort, ttlMs: 5_000 });
    const { config: document } = JSON.parse(/\{.*\}/s.exec(mesh.page("/config"))?.[0] ?? "");
    const apply = (version: number, change: object): void => {
      const [first, ...others] = document.outbound;
      mesh.caller.apply({ ...document, outbound: [{ ...first, ...change }, ...others] }, version);
    };
    await mesh.pass(4_000);
    apply(2, { timeoutMs: 9_000 });
    expect(status(mesh.ask())).toBe("503");
    await mesh.pass(1_100);
    expect(status(mesh.ask())).toBe("200");
    apply(3, { fault: { ...document.outbound[0].fault, maxActive: 7 } });
    expect(status(mesh.ask())).toBe("503");
  });
});

describe("a limited bandwidth", () => {
  test("lets a megabyte through in about its time, and nothing is lost", async () => {
    const mesh = new FaultyMesh({ bandwidth: { limitKbps: 512, percent: 100 } });
    mesh.onApp = () => undefined;
    const client = mesh.ask();
    const body = "0123456789abcdef".repeat(65_536);
    mesh.app().send(ok(body));
    mesh.settle();
    const sizes = [client.received.length];
    for (let i = 0; i < 19; i++) {
      await mesh.pass(100);
      sizes.push(client.received.length);
    }
    // About 25 KB at once, then 512 KiB in every second.
    expect(sizes[0]).toBeLessThan(40_000);
    expect(Math.abs((sizes[10] ?? 0) - 512 * 1024)).toBeLessThan(60_000);
    expect(client.received.endsWith(body)).toBe(false);
    await mesh.pass(300);
    expect(client.received.endsWith(body)).toBe(true);
    expect(mesh.metrics()).toMatch(/fault_active\{.*\} 0\n/);
    expect(mesh.metrics()).toMatch(/atoll_proxy_buffered_bytes 0\n/);
    // The connections can be used again.
    client.take();
    client.send(get);
    mesh.settle();
    mesh.app().send(ok("x"));
    mesh.settle();
    expect([mesh.apps.length, client.take().endsWith("x")]).toEqual([1, true]);
  });

  test("ends with its client in the middle", async () => {
    const mesh = new FaultyMesh({ bandwidth: { limitKbps: 1, percent: 100 } });
    mesh.onApp = () => undefined;
    await mesh.pass(10);
    const client = mesh.ask();
    mesh.app().send(ok("x".repeat(100_000)));
    mesh.settle();
    await mesh.pass(500);
    expect(mesh.metrics()).toMatch(/fault_active\{.*\} 1\n/);
    client.connection.destroy();
    mesh.settle();
    expect(mesh.metrics()).toMatch(/fault_active\{.*\} 0\n/);
    expect(mesh.metrics()).toMatch(/atoll_proxy_buffered_bytes 0\n/);
  });
});

test("a request under way is not drawn for again when rules change", () => {
  const mesh = new FaultyMesh({});
  mesh.onApp = () => undefined;
  const client = mesh.ask();
  mesh.callee.apply(calleeConfig("allow", "http", { fault: { abort } }), 2);
  mesh.settle();
  expect(client.received).toBe("");
  mesh.app().send(ok("fine"));
  mesh.settle();
  expect(client.take()).toEndWith("fine");
  expect(status(mesh.ask())).toBe("503");
});

test("a call of gRPC gets the status of its own", () => {
  const mesh = new MemoryMesh({ protocol: "grpc", outbound: { fault: { abort: { grpcStatus: 8, percent: 100 } } } });
  const client = new Http2Client(mesh);
  client.request("POST /E/S", ["content-type", "application/grpc", "te", "trailers"]);
  expect(client.take().join()).toContain("grpc-status|8|grpc-message|fault filter abort");
});
