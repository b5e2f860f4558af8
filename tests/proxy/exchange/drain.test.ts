import { describe, expect, test } from "bun:test";
import { callerConfig, MemoryMesh, type Wire } from "../memory-mesh.ts";
import { answer, deliver, get, ok } from "./talk.ts";

/** Lets time pass for the clock and for the network, which looks after the last activity of its connections. */
async function pass(mesh: MemoryMesh, ms: number): Promise<void> {
  mesh.settle();
  mesh.network.nowMs += ms;
  await mesh.clock.advance(ms);
  mesh.settle();
}

function exchange(mesh: MemoryMesh, client: Wire): string {
  deliver(mesh, client, get);
  return answer(mesh, client, ok("hi"));
}

function isRunning(promise: Promise<void>): () => boolean {
  let running = true;
  void promise.then(() => {
    running = false;
  });
  return () => running;
}

describe("while a proxy drains", () => {
  test("a connection that has rested is ended at once", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    exchange(mesh, client);
    await pass(mesh, 5_000);
    void mesh.caller.drain(10_000);
    mesh.settle();
    expect(client.hasEnded).toBe(true);
  });

  test("a connection in use gets its next request answered, as the last, and is ended when none comes", async () => {
    const mesh = new MemoryMesh();
    const [busy, quiet, silent] = [mesh.client(), mesh.client(), mesh.client()];
    exchange(mesh, busy);
    exchange(mesh, quiet);
    void mesh.caller.drain(30_000);
    mesh.settle();
    expect([busy.hasEnded, quiet.hasEnded, silent.hasEnded]).toEqual([false, false, false]);
    expect(exchange(mesh, busy)).toContain("connection: close\r\n");
    expect(busy.hasEnded).toBe(true);
    await pass(mesh, 5_000);
    expect(quiet.hasEnded).toBe(true);
    expect(silent.connection.isClosed).toBe(true);
  });

  test("a relayed connection goes on until the deadline and keeps the proxy that long", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client(15002);
    expect(deliver(mesh, client, "one")).toBe("one");
    const isDraining = isRunning(mesh.caller.drain(10_000));
    await pass(mesh, 9_000);
    expect(deliver(mesh, client, "two")).toBe("two");
    expect(isDraining()).toBe(true);
    await pass(mesh, 2_000);
    expect(isDraining()).toBe(false);
    expect(client.connection.isClosed).toBe(true);
  });

  test("a relayed connection that ends by itself ends the drain", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client(15002);
    deliver(mesh, client, "one");
    const isDraining = isRunning(mesh.caller.drain(600_000));
    client.connection.destroy();
    await pass(mesh, 1_000);
    expect(isDraining()).toBe(false);
  });
});

describe("a listener that leaves the configuration", () => {
  test("ends what is relayed over it at its own deadline, the others go on", async () => {
    const mesh = new MemoryMesh();
    const [leaving, staying] = [mesh.client(15002), mesh.client()];
    deliver(mesh, leaving, "one");
    const config = callerConfig(["127.0.0.1:20000"]);
    const outbound = config.outbound.slice(0, 1);
    mesh.caller.apply({ ...config, outbound, drainTimeoutMs: 4_000 }, 2);
    expect(() => mesh.client(15002)).toThrow("nothing listens");
    await pass(mesh, 3_000);
    expect(leaving.connection.isClosed).toBe(false);
    await pass(mesh, 2_000);
    expect(leaving.connection.isClosed).toBe(true);
    expect(exchange(mesh, staying)).toBe(ok("hi"));
  });
});

describe("an endpoint that leaves the configuration", () => {
  test("finishes what it has begun, over a connection that is closed after that", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    mesh.caller.apply(callerConfig(["127.0.0.1:20009"]), 2);
    await pass(mesh, 3_000);
    expect(answer(mesh, client, ok("late"))).toBe(ok("late"));
    await pass(mesh, 2_000);
    expect(mesh.metricsOfCallee()).toMatch(/^tcp_open_connections\{[^}]*listener="127.0.0.1:20000"\} 0$/m);
  });
});
