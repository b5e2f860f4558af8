import { describe, expect, test } from "bun:test";
import { clientPreface, FrameType } from "../../proxy/http2/frame-types.ts";
import type { ConnectResult } from "../../proxy/transport/transport.ts";
import { answer, deliver, get, ok } from "./exchange/talk.ts";
import * as f from "./http2/frames.ts";
import { identityOf, MemoryMesh, type Wire } from "./memory-mesh.ts";

const outbound = 'listener="127.0.0.1:15001"';

/** The value of one sample of the caller's HTTP listener, or of the metric without labels. */
function reading(mesh: MemoryMesh, name: string, reason?: string): number {
  const lines = mesh.metrics().split("\n");
  const wanted = reason === undefined ? "" : `${outbound},reason="${reason}"}`;
  const line = lines.find((one) => (one.startsWith(`${name}{`) || one.startsWith(`${name} `)) && one.includes(wanted));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}

const closed = (mesh: MemoryMesh, reason: string) => reading(mesh, "atoll_proxy_connections_closed_total", reason);
const refused = (mesh: MemoryMesh, reason: string) => reading(mesh, "atoll_proxy_requests_refused_total", reason);
const turnedAway = (mesh: MemoryMesh, reason: string) => reading(mesh, "atoll_proxy_connections_refused_total", reason);

describe("a request head", () => {
  const sized = (bytes: number) => `GET / HTTP/1.1\r\nHost: api\r\nX: ${"a".repeat(bytes - get.length - 5)}\r\n\r\n`;

  test("of as many bytes as are allowed is served, of one more is answered 431", () => {
    const mesh = new MemoryMesh({ limits: { http1: { maxHeadBytes: 1024 } } });
    expect(sized(1024).length).toBe(1024);
    expect(deliver(mesh, mesh.client(), sized(1024))).toStartWith("GET / ");
    const client = mesh.client();
    client.send(sized(1025));
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 431 ");
    expect(refused(mesh, "head_too_large")).toBe(1);
  });

  test("of as many fields as are allowed is served, of one more is answered 431", () => {
    const fields = (count: number) => `GET / HTTP/1.1\r\nHost: api\r\n${"X: 1\r\n".repeat(count - 1)}\r\n`;
    const mesh = new MemoryMesh({ limits: { http1: { maxFields: 20 } } });
    expect(deliver(mesh, mesh.client(), fields(20))).toStartWith("GET / ");
    const client = mesh.client();
    client.send(fields(21));
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 431 ");
    expect(refused(mesh, "too_many_fields")).toBe(1);
  });

  test("may nominate as many names for its connection as are allowed, of one more it is answered 400", () => {
    const mesh = new MemoryMesh({ limits: { http1: { maxConnectionOptions: 2 } } });
    const nominating = (options: string) =>
      `GET / HTTP/1.1\r\nHost: api\r\nConnection: ${options}\r\nConnection: keep-alive\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n`;
    const read = deliver(mesh, mesh.client(), nominating("a, b"));
    expect(read).toContain("\r\nc: 3\r\n");
    expect(read).not.toMatch(/^[ab]:/m);
    const client = mesh.client();
    client.send(nominating("a, b, c"));
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 400 ");
    expect(refused(mesh, "bad_connection")).toBe(1);
  });

  test("may have more fields than the default when the document says so", () => {
    const limits = { http1: { maxFields: 1_000 }, http2: { maxFields: 1_000 } };
    const mesh = new MemoryMesh({ limits });
    const read = deliver(mesh, mesh.client(), `GET / HTTP/1.1\r\nHost: api\r\n${"X: 1\r\n".repeat(900)}\r\n`);
    expect(read.match(/x: 1\r\n/gi)?.length).toBe(900);
  });
});

describe("a slow sender", () => {
  test("a head that drips has no more time than one that stops", async () => {
    const mesh = new MemoryMesh({ limits: { http1: { headTimeoutMs: 10_000 } } });
    const [dripping, stopping] = [mesh.client(), mesh.client()];
    stopping.send("GET /");
    for (const letter of "GET / HTTP/") {
      dripping.send(letter);
      mesh.settle();
      expect([dripping.received, stopping.received]).toEqual(["", ""]);
      await mesh.pass(letter === "/" ? 500 : 1_000);
    }
    await mesh.pass(2_000);
    expect(dripping.take()).toStartWith("HTTP/1.1 408 ");
    expect(stopping.take()).toStartWith("HTTP/1.1 408 ");
    expect(refused(mesh, "head_timeout")).toBe(2);
  });

  test("the time of a head begins anew with every request", async () => {
    const mesh = new MemoryMesh({ limits: { http1: { headTimeoutMs: 10_000 } } });
    const client = mesh.client();
    for (let i = 0; i < 3; i++) {
      client.send(get.slice(0, 5));
      mesh.settle();
      await mesh.pass(9_000);
      deliver(mesh, client, get.slice(5));
      expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
      await mesh.pass(9_000);
    }
  });

  test("half a preface is closed like half a head", async () => {
    const mesh = new MemoryMesh({ limits: { http1: { headTimeoutMs: 10_000 } } });
    const client = mesh.client();
    client.send("PRI * HTTP/2.0\r\n");
    mesh.settle();
    await mesh.pass(10_000);
    expect(client.connection.isClosed).toBe(false);
    await mesh.pass(1_000);
    expect(client.connection.isClosed).toBe(true);
    expect(refused(mesh, "head_timeout")).toBe(1);
  });

  test("half a header block ends its connection", async () => {
    const mesh = new MemoryMesh({ limits: { http2: { headerBlockMs: 10_000 } } });
    const client = mesh.client();
    const opened = f.frame(FrameType.headers, 0, 1, f.literals(f.getFields));
    client.connection.write(Buffer.concat([clientPreface, f.settings(), f.settingsAck(), opened]));
    mesh.settle();
    await mesh.pass(10_000);
    expect(client.hasEnded).toBe(false);
    await mesh.pass(1_000);
    expect(client.hasEnded).toBe(true);
    expect(reading(mesh, "atoll_proxy_http2_protocol_errors_total", "header_timeout")).toBe(1);
  });

  test("a body that drips reaches the app as it comes and is held only to be sent again", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\n\r\n");
    for (const [i, letter] of [..."slow!"].entries()) {
      expect(deliver(mesh, client, letter)).toBe(letter);
      expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBe(i + 1);
      await mesh.pass(60_000);
    }
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
    expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBe(0);
  });

  test("who says nothing at all is closed as idle", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    await mesh.pass(3_599_000);
    expect(client.connection.isClosed).toBe(false);
    await mesh.pass(2_000);
    expect(client.connection.isClosed).toBe(true);
    expect(closed(mesh, "idle")).toBe(1);
  });
});

/** A client whose big answer waits for it, since it does not read. */
function stalled(mesh: MemoryMesh): Wire {
  const client = mesh.client();
  deliver(mesh, client, get);
  client.connection.pause();
  answer(mesh, client, ok("x".repeat(2_000_000)));
  return client;
}

describe("a slow reader", () => {
  test("a client that never reads is closed", async () => {
    const mesh = new MemoryMesh({ limits: { http1: { stalledReadMs: 10_000 } } });
    const client = stalled(mesh);
    await mesh.pass(10_000);
    expect(client.connection.isClosed).toBe(false);
    await mesh.pass(1_000);
    expect(client.connection.isClosed).toBe(true);
    expect(closed(mesh, "stalled_reader")).toBe(1);
    expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBe(0);
  });

  test("that reads on is not", async () => {
    const mesh = new MemoryMesh({ limits: { http1: { stalledReadMs: 10_000 } } });
    const client = stalled(mesh);
    await mesh.pass(9_000);
    client.connection.resume();
    mesh.settle();
    await mesh.pass(9_000);
    expect(client.received.length).toBe(ok("x".repeat(2_000_000)).length);
    expect(closed(mesh, "stalled_reader")).toBe(0);
  });
});

describe("a connection that was ended and whose client does not end it", () => {
  test("of HTTP/1.1 is closed after its linger, and not before", async () => {
    const mesh = new MemoryMesh({ limits: { http1: { lingerMs: 2_000 } } });
    const client = mesh.client();
    deliver(mesh, client, "GET / HTTP/1.0\r\n\r\n");
    answer(mesh, client, ok("x"));
    expect(client.hasEnded).toBe(true);
    await mesh.pass(2_000);
    expect(client.connection.isClosed).toBe(false);
    await mesh.pass(1_000);
    expect(client.connection.isClosed).toBe(true);
  });

  test("of HTTP/2 is closed after its linger, and not before", async () => {
    const mesh = new MemoryMesh({ limits: { http2: { lingerMs: 2_000 } } });
    const client = mesh.client();
    // DATA on no stream is an error of the connection.
    client.connection.write(Buffer.concat([clientPreface, f.settings(), f.frame(FrameType.data, 0, 0)]));
    mesh.settle();
    expect(client.hasEnded).toBe(true);
    await mesh.pass(2_000);
    expect(client.connection.isClosed).toBe(false);
    await mesh.pass(1_000);
    expect(client.connection.isClosed).toBe(true);
  });
});

describe("requests on one connection", () => {
  test("are as many as allowed; the last one's answer says close", () => {
    const mesh = new MemoryMesh({ limits: { connections: { maxRequests: 2 } } });
    const client = mesh.client();
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("x"))).toContain("\r\nconnection: close\r\n");
    expect(client.hasEnded).toBe(true);
    expect(closed(mesh, "max_requests")).toBe(1);
  });
});

describe("an HTTP/2 connection", () => {
  function session(limits: object): { mesh: MemoryMesh; client: Wire; sent: () => f.SentFrame[] } {
    const mesh = new MemoryMesh({ limits });
    const client = mesh.client();
    client.connection.write(Buffer.concat([clientPreface, f.settings(), f.settingsAck()]));
    mesh.settle();
    return { mesh, client, sent: () => f.framesIn(Buffer.from(client.take(), "latin1")) };
  }
  const typesOf = (frames: readonly f.SentFrame[]) => frames.map(({ type }) => type);

  test("carries as many requests as allowed and then says GOAWAY", () => {
    const { mesh, client, sent } = session({ connections: { maxRequests: 2 } });
    client.connection.write(f.get(1));
    mesh.settle();
    expect(typesOf(sent())).not.toContain(FrameType.goaway);
    client.connection.write(f.get(3));
    mesh.settle();
    expect(typesOf(sent())).toContain(FrameType.goaway);
    expect(closed(mesh, "max_requests")).toBe(1);
  });

  test("refuses a stream more than are allowed at once, and takes one when another has ended", () => {
    const { mesh, client, sent } = session({ http2: { maxConcurrentStreams: 2 } });
    client.connection.write(Buffer.concat([f.get(1), f.get(3)]));
    mesh.settle();
    expect(typesOf(sent())).not.toContain(FrameType.rstStream);
    client.connection.write(f.get(5));
    mesh.settle();
    expect(typesOf(sent())).toContain(FrameType.rstStream);
    client.connection.write(Buffer.concat([f.rstStream(1), f.get(7)]));
    mesh.settle();
    expect(typesOf(sent())).not.toContain(FrameType.rstStream);
    expect(refused(mesh, "refused_stream")).toBe(1);
  });

  test("is closed when its socket is not read, however wide its windows are", async () => {
    const wide = 0x7fff_0000;
    const { mesh, client } = session({ http2: { stalledWindowMs: 10_000 } });
    client.connection.write(Buffer.concat([f.settings(4, wide), f.windowUpdate(0, wide), f.get(1)]));
    mesh.settle();
    client.connection.pause();
    answer(mesh, client, ok("x".repeat(2_000_000)));
    await mesh.pass(10_000);
    expect(client.connection.isClosed).toBe(false);
    await mesh.pass(1_000);
    expect(client.connection.isClosed).toBe(true);
    expect(closed(mesh, "stalled_reader")).toBe(1);
    expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBe(0);
  });
});

describe("connections of one source", () => {
  test("are as many as allowed from an address; one that closes makes room", () => {
    const mesh = new MemoryMesh({ limits: { connections: { maxPerSource: 2 } } });
    const [first, second] = [mesh.client(), mesh.client()];
    const third = mesh.client();
    mesh.settle();
    expect([first, second, third].map((one) => one.connection.isClosed)).toEqual([false, false, true]);
    expect(turnedAway(mesh, "source_limit")).toBe(1);
    first.connection.destroy();
    mesh.settle();
    expect(deliver(mesh, mesh.client(), get)).toStartWith("GET / ");
  });

  test("are counted by the caller's identity where there is one", () => {
    const mesh = new MemoryMesh({ limits: { connections: { maxPerSource: 1 } } });
    const dial = (service: string) => {
      const results: ConnectResult[] = [];
      mesh.network.connect({
        host: "127.0.0.1",
        port: 20_001,
        timeoutMs: 1_000,
        tls: { identity: identityOf(service), serverName: "api", isExpectedPeer: () => true },
        onResult: (result) => results.push(result),
      });
      mesh.settle();
    };
    const page = (reason: string) => `listener="127.0.0.1:20001",reason="${reason}"} `;
    dial("web");
    expect(mesh.page("/metrics", 19_000)).toContain(`${page("source_limit")}0`);
    dial("web");
    expect(mesh.page("/metrics", 19_000)).toContain(`${page("source_limit")}1`);
    // Another caller has connections of its own: this one is turned away by its intention alone, and who
    // was turned away holds no place.
    dial("other");
    dial("other");
    expect(mesh.page("/metrics", 19_000)).toContain(`${page("source_limit")}1`);
    expect(mesh.page("/metrics", 19_000)).toContain(`${page("denied")}2`);
  });
});

describe("the bytes that a proxy holds", () => {
  test("beyond its limit turn requests and connections away, and it recovers by itself", () => {
    const mesh = new MemoryMesh({ limits: { memory: { maxBufferedBytes: 100_000 } } });
    const early = mesh.client();
    const slow = stalled(mesh);
    expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBeGreaterThan(100_000);
    early.send(get);
    mesh.settle();
    expect(early.take()).toMatch(/^HTTP\/1\.1 503 .*\r\n\r\noverload\n$/s);
    expect(refused(mesh, "overload")).toBe(1);
    const late = mesh.client();
    mesh.settle();
    expect(late.connection.isClosed).toBe(true);
    expect(turnedAway(mesh, "overload")).toBe(1);

    slow.connection.resume();
    mesh.settle();
    expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBe(0);
    expect(slow.received.length).toBe(ok("x".repeat(2_000_000)).length);
    expect(deliver(mesh, early, get)).toStartWith("GET / ");
    expect(answer(mesh, early, ok("x"))).toBe(ok("x"));
    expect(deliver(mesh, mesh.client(), get)).toStartWith("GET / ");
  });

  test("below its limit turn nobody away", () => {
    const mesh = new MemoryMesh({ limits: { memory: { maxBufferedBytes: 10_000_000 } } });
    stalled(mesh);
    expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBeGreaterThan(100_000);
    expect(deliver(mesh, mesh.client(), get)).toStartWith("GET / ");
  });

  test("are given back when their connection breaks", () => {
    const mesh = new MemoryMesh();
    stalled(mesh).connection.destroy();
    mesh.settle();
    expect(reading(mesh, "atoll_proxy_buffered_bytes")).toBe(0);
  });
});

test("every limit in force is on /config", () => {
  const mesh = new MemoryMesh({ limits: { http1: { maxFields: 7 } } });
  const page = mesh.page("/config");
  const { config } = JSON.parse(page.slice(page.indexOf("\r\n\r\n")));
  expect(config.limits.http1.maxFields).toBe(7);
  expect(config.limits.http2.maxConcurrentStreams).toBe(256);
  expect(config.limits.memory.maxBufferedBytes).toBe(268_435_456);
});
