import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { systemClock } from "../../../lib/base/clock.ts";
import { createBunTransport } from "../../../proxy/transport/bun.ts";
import { countListeners, kernelAddress } from "../../../proxy/transport/port-group.ts";
import type { Listener, PortSharing } from "../../../proxy/transport/transport.ts";
import { eventually } from "../../fakes/eventually.ts";

const transport = createBunTransport(systemClock);
const opened: Listener[] = [];

afterEach(async () => {
  for (const listener of opened.splice(0)) listener.close();
  // What the kernel tells is read once for a turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
});

/** Answers each connection with its name. */
function listen(name: string, port: number, sharing: PortSharing): Listener {
  const listener = transport.listen({
    host: "127.0.0.1",
    port,
    sharing,
    onRefused: () => undefined,
    onConnection: (connection) => {
      connection.write(Buffer.from(name));
      connection.end();
    },
  });
  opened.push(listener);
  return listener;
}

function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("data", (chunk) => resolve(chunk.toString()));
    socket.on("error", (error) => resolve(error.message));
    socket.on("end", () => resolve("ended"));
    socket.on("close", () => resolve("closed"));
  });
}

async function askOften(port: number): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: 64 }, () => ask(port)));
  return [...new Set(answers)].toSorted();
}

describe.skipIf(process.platform !== "linux")("an address that several listen on", () => {
  test("is refused to one that should have it alone", () => {
    const { port } = listen("a", 0, "claim");
    expect(() => listen("b", port, "claim")).toThrow("another process holds it");
  });

  test("is served by all that join", async () => {
    const { port, isShared } = listen("a", 0, "claim");
    expect(isShared).toBe(false);
    listen("b", port, "join");
    expect(await askOften(port)).toEqual(["a", "b"]);
  });

  test("is served by a replacement alone, before and after the one before has closed", async () => {
    const before = listen("a", 0, "claim");
    const after = listen("b", before.port, "replace");
    expect(await askOften(before.port)).toEqual(["b"]);
    before.close();
    expect([before.isClosed, after.isShared]).toEqual([false, true]);
    expect(await askOften(before.port)).toEqual(["b"]);
    await eventually("the close", () => before.isClosed);
    expect(await askOften(before.port)).toEqual(["b"]);
  });

  test("is had back at once by one of those who are about to leave it", async () => {
    const { port } = listen("a", 0, "claim");
    const worker = listen("b", port, "join");
    for (const listener of opened.splice(0)) listener.close();
    const back = listen("c", port, "claim");
    expect([worker.isClosed, back.isShared]).toEqual([false, true]);
    expect(() => listen("d", port, "claim")).toThrow("another process holds it");
    expect(await askOften(port)).toEqual(["c"]);
    await eventually("the close", () => worker.isClosed && !back.isShared);
    expect(await askOften(port)).toEqual(["c"]);
  });

  test("a listener that nobody shares closes at once", () => {
    const listener = listen("a", 0, "claim");
    listener.close();
    expect(listener.isClosed).toBe(true);
  });
});

describe.skipIf(process.platform !== "linux")("the kernel's list of listeners", () => {
  test.each(["127.0.0.1", "127.128.0.7", "::1"])("has the address %s under our key", async (host) => {
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const address = server.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    expect(countListeners().get(kernelAddress(host, port))).toBe(1);
    await new Promise((resolve) => server.close(resolve));
    expect(countListeners().has(kernelAddress(host, port))).toBe(false);
  });

  test("is told without the table of all connections, however long it is", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    const clients = Array.from({ length: 200 }, () => connect(port, "127.0.0.1"));
    await Promise.all(clients.map((client) => new Promise((resolve) => client.once("connect", resolve))));
    const before = bytesRead();
    expect(countListeners().get(kernelAddress("127.0.0.1", port))).toBe(1);
    expect(bytesRead() - before).toBeLessThan(readFileSync("/proc/self/net/tcp").length);
    for (const client of clients) client.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test("has no key for a name", () => {
    expect(kernelAddress("localhost", 80)).toBe("");
  });
});

/** By this process so far, from files; asking for it is among them. */
function bytesRead(): number {
  return Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "latin1"))?.[1]);
}
