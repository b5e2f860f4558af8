import { describe, expect, test } from "bun:test";
import Value from "typebox/value";
import { type HealthCheckConfig, HealthCheckSchema } from "../../../lib/contract/proxy-health-check.ts";
import type { CheckFailure, Probe } from "../../../proxy/resilience/health-check/probe.ts";
import { createProbe } from "../../../proxy/upstream/health-probes.ts";
import { settle } from "../../fakes/virtual-clock.ts";
import { data, goaway, headers, rstStream } from "../http2/frames.ts";
import { UpstreamWorld, type UpstreamWorldOptions } from "./upstream-world.ts";

/** Checks of one endpoint whose server a test plays. */
class ProbeWorld extends UpstreamWorld {
  /** What came of each check, in order. */
  readonly results: (CheckFailure | "passed")[] = [];
  readonly #config: HealthCheckConfig;

  constructor(protocol: UpstreamWorldOptions["protocol"], more: object = {}) {
    super({ protocol, maxConnections: 1 });
    const given = { type: "http", path: "/health", ...more };
    this.#config = Value.Parse(HealthCheckSchema, Value.Default(HealthCheckSchema, given));
  }

  /** Lets what was put off to the end of the turn happen. */
  async endTurn(): Promise<void> {
    await settle();
    this.settle();
  }

  check(): Probe {
    const start = createProbe(this.#config, "api", { pool: this.pool, connect: () => undefined });
    const probe = start((failure) => this.results.push(failure ?? "passed"));
    this.settle();
    return probe;
  }
}

describe("a check over HTTP/1.1", () => {
  test("reads its answer, and the next one goes over the same connection", () => {
    const world = new ProbeWorld("http1");
    world.check();
    expect(world.server().text()).toStartWith("GET /health HTTP/1.1\r\n");
    world.server().say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall ");
    expect(world.results).toEqual([]);
    world.server().say("good");
    expect(world.results).toEqual(["passed"]);
    world.check();
    world.server().ok("fine");
    expect(world.results).toEqual(["passed", "passed"]);
    expect(world.servers.length).toBe(1);
  });

  test("tries again, once, when its connection had been given up in the meantime", async () => {
    const world = new ProbeWorld("http1");
    world.check();
    world.server().ok("fine");
    world.check();
    world.server(0).connection.destroy();
    world.settle();
    await world.endTurn();
    world.server(1).ok("fine");
    expect(world.results).toEqual(["passed", "passed"]);
    world.check();
    world.server(1).connection.destroy();
    world.settle();
    await world.endTurn();
    world.server(2).connection.destroy();
    world.settle();
    expect(world.results).toEqual(["passed", "passed", "lost"]);
  });

  test("is over when its connection is lost in the middle of the answer, or there is none", () => {
    const world = new ProbeWorld("http1");
    world.check();
    world.server().say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall ");
    world.server().connection.destroy();
    world.settle();
    world.refusing.add(0);
    world.check();
    expect(world.results).toEqual(["lost", "connect"]);
  });

  test("that is cancelled ends its connection, and what comes later is not told", () => {
    const world = new ProbeWorld("http1");
    const probe = world.check();
    probe.cancel();
    world.settle();
    expect(world.server().hasEnded).toBe(true);
    world.check();
    world.server(1).ok("fine");
    expect(world.results).toEqual(["passed"]);
  });

  test("that is cancelled before it has a connection leaves that to the next one", () => {
    const world = new ProbeWorld("http1");
    const probe = createProbe(
      Value.Parse(HealthCheckSchema, Value.Default(HealthCheckSchema, { type: "http" })),
      "api",
      { pool: world.pool, connect: () => undefined },
    )((failure) => world.results.push(failure ?? "passed"));
    probe.cancel();
    world.settle();
    expect(world.server().text()).toBe("");
    world.check();
    world.server(0).ok("fine");
    expect(world.results).toEqual(["passed"]);
    expect(world.servers.length).toBe(1);
  });
});

describe("a check over HTTP/2", () => {
  test("is one stream after another", () => {
    const world = new ProbeWorld("http2");
    world.check();
    world.server().answer(1, "fine");
    world.check();
    world.server().say(headers(3, [":status", "503"], true));
    world.check();
    world.server().say(rstStream(5, 2));
    expect(world.results).toEqual(["passed", "status", "lost"]);
    expect(world.servers.length).toBe(1);
  });

  test("tries again when its server leaves in good order", async () => {
    const world = new ProbeWorld("http2");
    world.check();
    world.server(0).say(goaway(0));
    await world.endTurn();
    world.server(1).answer(1, "fine");
    expect(world.results).toEqual(["passed"]);
  });
});

describe("a check of gRPC", () => {
  const head = [":status", "200", "content-type", "application/grpc"];
  const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
  const notServing = Buffer.from([0, 0, 0, 0, 2, 8, 2]);

  test("asks for a service, and passes when it is served", () => {
    const world = new ProbeWorld("http2", { type: "grpc", grpcService: "a.B" });
    world.check();
    expect(world.server().requests()).toEqual([
      "1 POST /grpc.health.v1.Health/Check",
      "1 \x00\x00\x00\x00\x05\x0a\x03a.B",
    ]);
    world.server().say(headers(1, head, false), data(1, serving), headers(1, ["grpc-status", "0"], true));
    expect(world.results).toEqual(["passed"]);
  });

  test("fails with every other status, and without one", () => {
    const world = new ProbeWorld("http2", { type: "grpc" });
    world.check();
    world.server().say(headers(1, head, false), data(1, notServing), headers(1, ["grpc-status", "0"], true));
    world.check();
    // Nobody there has heard of health checks.
    world.server().say(headers(3, [...head, "grpc-status", "12"], true));
    world.check();
    world.server().say(headers(5, head, false), data(5, serving), headers(5, ["grpc-status", "14"], true));
    world.check();
    world.server().say(headers(7, head, false), data(7, serving, true));
    world.check();
    world.server().say(headers(9, [":status", "503"], true));
    expect(world.results).toEqual(["not_serving", "status", "status", "status", "status"]);
  });
});

test("every path and host that the schema lets through makes a request", () => {
  for (let code = 0x20; code < 0x7f; code++) {
    const letter = String.fromCharCode(code);
    for (const more of [{ path: `/${letter}` }, { host: letter }]) {
      const given = Value.Default(HealthCheckSchema, { type: "http", ...more });
      if (!Value.Check(HealthCheckSchema, given)) continue;
      const config = Value.Parse(HealthCheckSchema, given);
      const world = new UpstreamWorld({ protocol: "http1" });
      expect(() => createProbe(config, "api", { pool: world.pool, connect: () => undefined })).not.toThrow();
    }
  }
});
