import { describe, expect, test } from "bun:test";
import { MemoryMesh } from "../memory-mesh.ts";

const adminPort = 19_001;
const ready = "GET /ready HTTP/1.1\r\nHost: admin\r\n\r\n";

describe("connections of the admin address", () => {
  test("are as many as allowed; one that closes makes room", () => {
    const mesh = new MemoryMesh({ limits: { admin: { maxConnections: 2 } } });
    const [first, second] = [mesh.client(adminPort), mesh.client(adminPort)];
    const third = mesh.client(adminPort);
    mesh.settle();
    expect([first, second, third].map((one) => one.connection.isClosed)).toEqual([false, false, true]);
    second.send(ready);
    mesh.settle();
    expect(second.take()).toStartWith("HTTP/1.1 200 ");
    first.connection.destroy();
    mesh.settle();
    expect(mesh.page("/ready", adminPort)).toStartWith("HTTP/1.1 200 ");
  });

  test("are not bounded by source, as those of the listeners are", () => {
    const mesh = new MemoryMesh({ limits: { connections: { maxPerSource: 1 } } });
    const all = [mesh.client(adminPort), mesh.client(adminPort), mesh.client(), mesh.client()];
    mesh.settle();
    expect(all.map((one) => one.connection.isClosed)).toEqual([false, false, false, true]);
  });

  test("are closed when they have been idle for their time, and not before", async () => {
    const mesh = new MemoryMesh({ limits: { admin: { idleTimeoutMs: 5_000 } } });
    const [idle, busy, other] = [mesh.client(adminPort), mesh.client(adminPort), mesh.client()];
    await mesh.pass(3_000);
    busy.send(ready);
    mesh.settle();
    await mesh.pass(2_000);
    expect([idle, busy, other].map((one) => one.connection.isClosed)).toEqual([false, false, false]);
    await mesh.pass(1_000);
    expect([idle, busy, other].map((one) => one.connection.isClosed)).toEqual([true, false, false]);
    await mesh.pass(3_000);
    expect([busy, other].map((one) => one.connection.isClosed)).toEqual([true, false]);
  });
});
