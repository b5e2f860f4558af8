import { describe, expect, test } from "bun:test";
import { clientPreface, FrameType } from "../../../proxy/http2/frame-types.ts";
import { callerConfig, MemoryMesh, type Wire } from "../memory-mesh.ts";
import * as f from "./frames.ts";

/** A client that speaks HTTP/2 with the caller's proxy. */
function connect(mesh: MemoryMesh): Wire {
  const client = mesh.client();
  client.connection.write(Buffer.concat([clientPreface, f.settings(), f.settingsAck()]));
  mesh.settle();
  return client;
}

const head = (id: number): Buffer =>
  f.headers(id, [":method", "HEAD", ":scheme", "http", ":authority", "api", ":path", "/"]);

describe("a client that never reads", () => {
  test("is not read any further once heads alone fill the output, and gets all of them when it reads", () => {
    const limits = { http2: { maxOutputBytes: 16_384 } };
    const mesh = new MemoryMesh({ limits });
    mesh.network.capacityBytes = 4_096;
    // Without an endpoint the proxy answers at once, and an answer to HEAD is no more than its head.
    mesh.caller.apply(callerConfig([], "http", {}, limits), 2);
    const client = connect(mesh);
    client.connection.pause();
    const requests = 20_000;
    const all = Buffer.concat(Array.from({ length: requests }, (_, i) => head(2 * i + 1)));
    client.connection.write(all);
    mesh.settle();
    expect(client.connection.waitingBytes).toBeGreaterThan(all.length * 0.9);
    client.connection.resume();
    mesh.settle();
    expect(client.connection.waitingBytes).toBe(0);
    const counted = /refused_total\{.*15001",reason="no_healthy_upstream"\} (\d+)\n/.exec(mesh.metrics());
    expect(counted?.[1]).toBe(`${requests}`);
  });
});

describe("half a frame", () => {
  const halves = {
    HEADERS: head(1).subarray(0, 12),
    "a frame's header": head(1).subarray(0, 5),
    PING: f.ping().subarray(0, 12),
  };
  for (const [what, half] of Object.entries(halves)) {
    test(`of ${what} ends its connection, however it drips, and a whole one does not`, async () => {
      const mesh = new MemoryMesh({ limits: { http2: { headerBlockMs: 5_000 } } });
      const [client, honest] = [connect(mesh), connect(mesh)];
      for (const byte of half) {
        client.connection.write(Buffer.of(byte));
        honest.connection.write(f.ping());
        mesh.settle();
        await mesh.pass(400);
      }
      await mesh.pass(6_000);
      expect([client.hasEnded, honest.hasEnded]).toEqual([true, false]);
      expect(mesh.metrics()).toMatch(/http2_protocol_errors_total\{.*15001",reason="header_timeout"\} 1\n/);
    });
  }

  test("of DATA is a body that comes slowly, which is nothing wrong", async () => {
    const mesh = new MemoryMesh({ limits: { http2: { headerBlockMs: 5_000 } } });
    const client = connect(mesh);
    const post = f.headers(1, [":method", "POST", ":scheme", "http", ":authority", "api", ":path", "/"], false);
    client.connection.write(Buffer.concat([post, f.frame(FrameType.data, 0, 1, Buffer.alloc(100)).subarray(0, 50)]));
    mesh.settle();
    await mesh.pass(20_000);
    expect(client.hasEnded).toBe(false);
  });
});
