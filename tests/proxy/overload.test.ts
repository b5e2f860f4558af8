import { describe, expect, test } from "bun:test";
import { answer, deliver, get, ok } from "./exchange/talk.ts";
import { clientPreface, Flag, FrameType } from "../../proxy/http2/frame-types.ts";
import * as f from "./http2/frames.ts";
import { callerConfig, MemoryMesh, type Wire } from "./memory-mesh.ts";

const limits = { memory: { maxBufferedBytes: 100_000 }, http1: { stalledReadMs: 30_000 } };

/** A client whose big answer fills the memory of the mesh, since it does not read. */
function fill(mesh: MemoryMesh): Wire {
  const client = mesh.client();
  deliver(mesh, client, get);
  client.connection.pause();
  answer(mesh, client, ok("x".repeat(2_000_000)));
  return client;
}

async function relieve(mesh: MemoryMesh, slow: Wire): Promise<void> {
  slow.connection.resume();
  mesh.settle();
  await mesh.pass(1_000);
}

/** The value of a sample on the page of the caller's proxy. */
function reading(mesh: MemoryMesh, pattern: string): string | undefined {
  return new RegExp(`${pattern} (\\d+)\\n`).exec(mesh.metrics())?.[1];
}

describe("while memory is short", () => {
  test("a body of HTTP/1.1 is not read any further, and then goes on by itself", async () => {
    const mesh = new MemoryMesh({ limits });
    const client = mesh.client();
    deliver(mesh, client, "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 4000\r\n\r\n");
    const app = mesh.app();
    const slow = fill(mesh);
    app.take();
    // The read that was under way still comes.
    client.send("a".repeat(1_000));
    mesh.settle();
    expect(app.take()).toBe("a".repeat(1_000));
    for (let i = 0; i < 3; i++) {
      client.send("b".repeat(1_000));
      mesh.settle();
      await mesh.pass(1_000);
      expect(app.take()).toBe("");
    }
    await relieve(mesh, slow);
    expect(app.take()).toBe("b".repeat(3_000));
    app.send(ok("done"));
    mesh.settle();
    expect(client.take()).toBe(ok("done"));
  });

  test("a head of HTTP/1.1 is not read any further, and then goes on by itself", async () => {
    const mesh = new MemoryMesh({ limits });
    const client = mesh.client();
    const slow = fill(mesh);
    const app = mesh.app();
    app.take();
    // The read that was under way still comes.
    client.send(get.slice(0, 5));
    mesh.settle();
    client.send(get.slice(5));
    mesh.settle();
    await mesh.pass(1_000);
    // Read, it would have been answered 503.
    expect(client.received).toBe("");
    await relieve(mesh, slow);
    expect(app.take()).toStartWith("GET / ");
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });

  test("a tcp connection is not read any further, and then goes on by itself", async () => {
    const mesh = new MemoryMesh({ limits });
    const client = mesh.client(15002);
    const app = mesh.app();
    const slow = fill(mesh);
    client.send("a");
    mesh.settle();
    expect(app.take()).toBe("a");
    client.send("b");
    mesh.settle();
    await mesh.pass(1_000);
    expect(app.take()).toBe("");
    await relieve(mesh, slow);
    expect(app.take()).toBe("b");
    app.send("c");
    mesh.settle();
    expect(client.take()).toBe("c");
  });

  test("a connection of HTTP/2 gets no new window, and gets it then", async () => {
    const mesh = new MemoryMesh({
      limits: { ...limits, http2: { connectionWindowBytes: 65_535, streamWindowBytes: 65_535 } },
    });
    const client = mesh.client();
    const post = f.headers(1, [":method", "POST", ":scheme", "http", ":authority", "api", ":path", "/"], false);
    client.connection.write(Buffer.concat([clientPreface, f.settings(), f.settingsAck(), post]));
    mesh.settle();
    const slow = fill(mesh);
    client.take();
    const data = Buffer.concat([
      f.data(1, "d".repeat(16_000)),
      f.data(1, "d".repeat(16_000)),
      f.data(1, "d".repeat(16_000)),
    ]);
    client.connection.write(data);
    mesh.settle();
    const windowUpdate = "\x00\x00\x04\x08\x00\x00\x00\x00\x00";
    expect(client.take()).not.toContain(windowUpdate);
    await relieve(mesh, slow);
    expect(client.take()).toContain(windowUpdate);
  });

  test("who of a tcp connection takes nothing is given up, and only then", async () => {
    const closures = 'closed_total\\{[^}]*15002",reason="stalled_reader"\\}';
    const stalledTcp = (mesh: MemoryMesh): Wire => {
      const client = mesh.client(15002);
      client.connection.pause();
      mesh.app().send("x".repeat(1_000_000));
      mesh.settle();
      return client;
    };
    const ample = new MemoryMesh({ limits: { http1: limits.http1 } });
    const patient = stalledTcp(ample);
    await ample.pass(120_000);
    expect([patient.connection.isClosed, reading(ample, closures)]).toEqual([false, "0"]);

    const short = new MemoryMesh({ limits: { http1: limits.http1 } });
    const client = stalledTcp(short);
    short.caller.apply(callerConfig(["127.0.0.1:20000"], "http", {}, limits), 2);
    await short.pass(30_000);
    expect(client.connection.isClosed).toBe(false);
    await short.pass(1_000);
    expect([client.connection.isClosed, reading(short, closures)]).toEqual([true, "1"]);
    expect(reading(short, "atoll_proxy_buffered_bytes")).toBe("0");
  });
});

test("what a tcp client sends before its server is reached counts as held, and no longer than that", () => {
  const mesh = new MemoryMesh();
  const client = mesh.client(15002);
  client.send("early".repeat(1_000));
  mesh.settle();
  expect(mesh.app().take()).toBe("early".repeat(1_000));
  expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBe("0");
});

test("half a frame or header block of HTTP/2 counts as held until it is whole or its connection is gone", () => {
  const mesh = new MemoryMesh();
  const connect = (half: Buffer): Wire => {
    const client = mesh.client();
    client.connection.write(Buffer.concat([clientPreface, f.settings(), f.settingsAck(), half]));
    mesh.settle();
    return client;
  };
  const held = (): number => Number(reading(mesh, "atoll_proxy_buffered_bytes"));
  const block = f.literals([...f.getFields, "x", "v".repeat(5_000)]);
  const opened = f.frame(FrameType.headers, Flag.endStream, 1, block);
  const whole = f.frame(FrameType.headers, Flag.endStream | Flag.endHeaders, 1, block);
  const [halfBlock, halfFrame] = [connect(opened), connect(whole.subarray(0, 100))];
  expect(held()).toBeGreaterThanOrEqual(2 * block.length);
  halfBlock.connection.write(f.frame(FrameType.continuation, Flag.endHeaders, 1));
  mesh.settle();
  expect(held()).toBe(block.length);
  halfFrame.connection.destroy();
  mesh.settle();
  expect(held()).toBe(0);
});

test("a slow reader gets all of the last answer, however long that takes beyond the linger", async () => {
  const mesh = new MemoryMesh({ limits: { http1: { lingerMs: 2_000, stalledReadMs: 30_000 } } });
  mesh.network.capacityBytes = 1_000;
  const client = mesh.client();
  deliver(mesh, client, "GET / HTTP/1.0\r\n\r\n");
  client.connection.pause();
  const body = "y".repeat(20_000);
  answer(mesh, client, ok(body));
  for (let i = 0; i < 6; i++) {
    await mesh.pass(5_000);
    client.connection.resume();
    mesh.network.settle();
    client.connection.pause();
  }
  expect(client.received).toEndWith(body);
  expect(client.hasEnded).toBe(true);
});
