import { describe, expect, test } from "bun:test";
import { restMs } from "../../proxy/exchange/server-context.ts";
import { frame, get as getFrame, settings } from "./http2/frames.ts";
import { clientPreface, FrameType } from "../../proxy/http2/frame-types.ts";
import { MemoryMesh } from "./memory-mesh.ts";
import { answer, deliver, get, ok } from "./exchange/talk.ts";

const preface = clientPreface.toString("latin1");
const hello = preface + settings().toString("latin1");

describe("a client of an HTTP listener", () => {
  test("that says nothing is waited for, and closed with the idle ones", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    await mesh.pass(3_599_000);
    expect([client.connection.isClosed, client.take()]).toEqual([false, ""]);
    await mesh.pass(3_000);
    expect(client.connection.isClosed).toBe(true);
  });

  test("that says nothing costs no more than a small object", () => {
    const mesh = new MemoryMesh();
    mesh.client();
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 2_000; i++) mesh.client();
    Bun.gc(true);
    // Both ends on the memory network and the test's own object are in it too.
    expect((process.memoryUsage().heapUsed - before) / 2_000).toBeLessThan(6_000);
  });

  test("speaks HTTP/2 when it begins like that, in whatever pieces, else HTTP/1.1", () => {
    for (const size of [1, 3, 23, 24, 25, 1_000]) {
      const mesh = new MemoryMesh();
      mesh.network.maxPieceBytes = size;
      const client = mesh.client();
      client.send(hello + getFrame(1).toString("latin1"));
      mesh.settle();
      // Our SETTINGS come first.
      expect(client.take().charCodeAt(3)).toBe(FrameType.settings);
      expect(mesh.app().take()).toStartWith("GET / HTTP/1.1\r\n");

      const plain = mesh.client();
      expect(deliver(mesh, plain, get)).toStartWith("GET / HTTP/1.1\r\n");
      expect(answer(mesh, plain, ok("x"))).toBe(ok("x"));
    }
  });

  test("that begins like HTTP/2 and goes on otherwise is refused as HTTP/1.1", () => {
    for (const text of ["PRI * HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI /\r\n\r\n"]) {
      const mesh = new MemoryMesh();
      const client = mesh.client();
      client.send(text);
      mesh.settle();
      expect(client.take()).toMatch(/^HTTP\/1\.1 [45]/);
      expect([client.hasEnded, mesh.apps.length]).toEqual([true, 0]);
    }
  });

  test("that ends, or breaks, before it is decided leaves nothing", () => {
    for (const text of ["", "PRI * HT"]) {
      const mesh = new MemoryMesh();
      const before = mesh.network.openEnds;
      for (const leave of ["end", "destroy"] as const) {
        const client = mesh.client();
        client.send(text);
        client.connection[leave]();
        mesh.settle();
      }
      expect(mesh.network.openEnds).toBe(before);
      expect(mesh.metrics()).toMatch(/tcp_open_connections\{[^}]*15001"\} 0\n/);
    }
  });

  test("that is not decided yet and stays silent is let go soon when the listener drains", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    void mesh.caller.drain(10_000);
    mesh.settle();
    expect(client.connection.isClosed).toBe(false);
    await mesh.pass(restMs + 1_000);
    expect(client.connection.isClosed).toBe(true);
  });

  test("may send frames together with its preface", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    client.send(hello + frame(FrameType.ping, 0, 0, Buffer.from("12345678")).toString("latin1"));
    mesh.settle();
    expect(client.take()).toContain("12345678");
  });
});

describe("a client of HTTP/1.1 whose connection has come to rest", () => {
  const rest = 3_000;

  test("goes on where it was, and its requests are still counted", async () => {
    const mesh = new MemoryMesh({ limits: { connections: { maxRequests: 3 } } });
    const client = mesh.client();
    for (const isLast of [false, false, true]) {
      expect(deliver(mesh, client, get)).toStartWith("GET / HTTP/1.1\r\n");
      const answered = answer(mesh, client, ok("x"));
      expect(answered).toContain(isLast ? "connection: close\r\n" : "\r\n\r\nx");
      await mesh.pass(rest);
    }
    expect(client.hasEnded).toBe(true);
  });

  test("is not taken for HTTP/2", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    answer(mesh, client, ok("x"));
    await mesh.pass(rest);
    client.send(hello);
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 505");
  });

  test("may have stopped in the middle of a head", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    answer(mesh, client, ok("x"));
    client.send(get.slice(0, 10));
    await mesh.pass(rest);
    expect(deliver(mesh, client, get.slice(10))).toStartWith("GET / HTTP/1.1\r\n");
    expect(answer(mesh, client, ok("y"))).toBe(ok("y"));
  });

  test("is closed in order when it ends, or when the listener drains", async () => {
    const mesh = new MemoryMesh();
    const [ending, idle] = [mesh.client(), mesh.client()];
    for (const client of [ending, idle]) {
      deliver(mesh, client, get);
      answer(mesh, client, ok("x"));
    }
    await mesh.pass(rest);
    ending.connection.end();
    mesh.settle();
    expect([ending.hasEnded, ending.connection.isClosed]).toEqual([true, true]);
    void mesh.caller.drain(10_000);
    mesh.settle();
    expect(idle.hasEnded).toBe(true);
  });

  test("costs less than while it is busy", async () => {
    const mesh = new MemoryMesh();
    const count = 500;
    const heapBytes = (): number => {
      Bun.gc(true);
      return process.memoryUsage().heapUsed;
    };
    const before = heapBytes();
    for (let i = 0; i < count; i++) {
      const client = mesh.client();
      deliver(mesh, client, get);
      answer(mesh, client, ok("x"));
    }
    const busy = heapBytes() - before;
    await mesh.pass(rest);
    expect((busy - (heapBytes() - before)) / count).toBeGreaterThan(300);
  });
});
