import { describe, expect, test } from "bun:test";
import { calleeConfig, callerConfig, MemoryMesh } from "../memory-mesh.ts";
import { answer, deliver, get, ok, unchunked, told } from "./talk.ts";

describe("a request through both proxies", () => {
  test("reaches the app with the caller's identity and comes back as the app wrote it", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    expect(deliver(mesh, client, get)).toBe(`GET / HTTP/1.1\r\nhost: api\r\n${told}\r\n`);
    expect(answer(mesh, client, ok("hi"))).toBe(ok("hi"));
  });

  test("is the same whatever the pieces in which its bytes arrive", () => {
    const request = "POST /x HTTP/1.1\r\nhost: api\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    const response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nt: 1\r\n\r\n";
    for (const pieceBytes of [1, 2, 3, 7, 64]) {
      const mesh = new MemoryMesh();
      mesh.network.maxPieceBytes = pieceBytes;
      const client = mesh.client();
      expect(unchunked(deliver(mesh, client, request))).toEqual({
        head: `POST /x HTTP/1.1\r\nhost: api\r\n${told}transfer-encoding: chunked\r\n`,
        body: "abc",
        trailers: "",
      });
      expect(unchunked(answer(mesh, client, response))).toEqual({
        head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
        body: "hi",
        trailers: "t: 1\r\n",
      });
    }
  });

  test("reuses the connections of the one before", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    for (let round = 0; round < 3; round++) {
      deliver(mesh, client, get);
      expect(answer(mesh, client, ok(`${round}`))).toBe(ok(`${round}`));
    }
    expect(mesh.apps.length).toBe(1);
  });

  test("may be pipelined: one at a time reaches the app, answers keep their order", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const second = get.replace("/ ", "/2 ");
    expect(deliver(mesh, client, get + second)).toStartWith("GET / ");
    expect(mesh.app().take()).toBe("");
    expect(answer(mesh, client, ok("1"))).toBe(ok("1"));
    expect(mesh.app().take()).toStartWith("GET /2 ");
    expect(answer(mesh, client, ok("2"))).toBe(ok("2"));
  });

  test("is answered when the client has half-closed behind it, and so is the pipelined one", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    client.send(get + get);
    client.connection.end();
    mesh.settle();
    expect(answer(mesh, client, ok("1"))).toBe(ok("1"));
    expect(answer(mesh, client, ok("2"))).toBe(ok("2"));
    expect(client.hasEnded).toBe(true);
  });

  test("loses the fields of its connection and any client certificate that it claims", () => {
    const mesh = new MemoryMesh();
    const claimed = `Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Forwarded-Client-Cert: URI=spiffe://evil\r\nX-End: 1\r\n`;
    const read = deliver(mesh, mesh.client(), `GET / HTTP/1.1\r\nHost: api\r\n${claimed}\r\n`);
    expect(read).toBe(`GET / HTTP/1.1\r\nhost: api\r\nx-end: 1\r\n${told}\r\n`);
  });

  test("gets the interim response before the final one", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, "POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect(answer(mesh, client, "HTTP/1.1 100 Continue\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    expect(deliver(mesh, client, "hi")).toBe("hi");
    expect(answer(mesh, client, ok(""))).toBe(ok(""));
  });

  test("by HEAD gets a response without a body and keeps the connection", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    deliver(mesh, client, get.replace("GET", "HEAD"));
    expect(answer(mesh, client, head)).toBe(head);
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });

  test("whose response ends with the app's connection is complete for the client, whose connection goes on", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    mesh.app().send("HTTP/1.1 200 OK\r\n\r\nall");
    mesh.app().connection.end();
    mesh.settle();
    expect(unchunked(client.take())).toEqual({
      head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
      body: "all",
      trailers: "",
    });
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });

  test("whose response is cut short never looks complete", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    mesh.app().send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
    mesh.settle();
    mesh.app().connection.destroy();
    mesh.settle();
    expect(client.take()).toBe("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart");
    expect(client.hasEnded).toBe(true);
  });

  test("of HTTP/1.0 whose response is cut short ends with a reset, since an end would make it complete", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, "GET / HTTP/1.0\r\n\r\n");
    mesh.app().send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    mesh.settle();
    mesh.app().connection.destroy();
    mesh.settle();
    expect(client.connection.isClosed).toBe(true);
    expect(client.hasEnded).toBe(false);
  });

  test("is sent again on a fresh connection when the pooled one was closed under it", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    answer(mesh, client, ok("1"));
    // The app closes its idle connection at the moment at which the next request is on its way.
    deliver(mesh, client, get);
    mesh.app().connection.destroy();
    mesh.settle();
    expect(mesh.apps.length).toBe(2);
    expect(answer(mesh, client, ok("2"))).toBe(ok("2"));
  });

  test("that is not idempotent is never sent twice", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    answer(mesh, client, ok("1"));
    deliver(mesh, client, "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n\r\n");
    mesh.app().connection.destroy();
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 503 ");
    expect(mesh.apps.length).toBe(1);
  });

  test("of HTTP/1.0 without a Host is one for the service, and its connection ends with the answer", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    expect(deliver(mesh, client, "GET / HTTP/1.0\r\n\r\n")).toStartWith("GET / HTTP/1.1\r\nhost: api\r\n");
    expect(answer(mesh, client, ok("x"))).toContain("connection: close\r\n");
    expect(client.hasEnded).toBe(true);
  });
});

describe("bytes that are not a request", () => {
  const cases = {
    "conflicting framings": [
      "conflicting_framing",
      400,
      "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    "a TLS hello": ["malformed_request_line", 400, "\x16\x03\x01\x02\x00\x01"],
    "a broken chunk": [
      "malformed_body",
      400,
      "POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    "an endless head": ["head_too_large", 431, `GET / HTTP/1.1\r\nX: ${"a".repeat(70_000)}`],
    CONNECT: ["unsupported_method", 501, "CONNECT api:1 HTTP/1.1\r\nHost: api:1\r\n\r\n"],
  } as const;
  for (const [what, [reason, status, text]] of Object.entries(cases)) {
    test(`(${what}) are answered ${status}, counted, the connection ends and nothing is forwarded`, () => {
      const mesh = new MemoryMesh();
      const client = mesh.client();
      client.send(text);
      mesh.settle();
      expect(client.take()).toStartWith(`HTTP/1.1 ${status} `);
      expect(client.hasEnded).toBe(true);
      expect(mesh.apps.length).toBe(0);
      expect(mesh.metrics()).toContain(`listener="127.0.0.1:15001",reason="${reason}"} 1`);
    });
  }

  test("behind the beginning of a chunked body cut the app off and are answered 400", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, "POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    client.send("zz\r\n");
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 400 ");
    expect(mesh.app().connection.isClosed).toBe(true);
  });

  test("from the app are never mistaken for the next response", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    expect(answer(mesh, client, `${ok("1")}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`)).toBe(ok("1"));
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("2"))).toBe(ok("2"));
  });
});

describe("a slow side", () => {
  test("stops the fast one: a big response waits bounded for a client that does not read", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    client.connection.pause();
    const size = 8 * 1024 * 1024;
    mesh.app().send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`);
    mesh.settle();
    // What the app could not send waits in the app: the proxies hold a few buffers only.
    expect(mesh.app().connection.waitingBytes).toBeGreaterThan(size - 1024 * 1024);
    client.connection.resume();
    mesh.settle();
    expect(client.take().length).toBeGreaterThan(size);
  });

  test("stops the fast one: a big request waits bounded for an app that does not read", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 8388608\r\n\r\n");
    mesh.app().connection.pause();
    client.send("x".repeat(8 * 1024 * 1024));
    mesh.settle();
    expect(client.connection.waitingBytes).toBeGreaterThan(7 * 1024 * 1024);
    mesh.app().connection.resume();
    mesh.settle();
    expect(mesh.app().take().length).toBe(8 * 1024 * 1024);
  });

  test("that pipelines without reading its answers is not read any further", () => {
    const mesh = new MemoryMesh();
    mesh.network.capacityBytes = 4_096;
    const client = mesh.client();
    client.connection.pause();
    // Each is answered by the proxy itself, so nothing but the client's own pace can stop them.
    mesh.callee.apply(calleeConfig("deny"), 2);
    client.send(get.repeat(20_000));
    mesh.settle();
    expect(client.connection.waitingBytes).toBeGreaterThan(get.length * 15_000);
    client.connection.resume();
    mesh.settle();
    expect(client.take().split("HTTP/1.1 403").length - 1).toBe(20_000);
  });
});

describe("a change of configuration", () => {
  test("that takes a permission away refuses the next request on the same connection, and back", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    answer(mesh, client, ok("1"));
    mesh.callee.apply(calleeConfig("deny"), 2);
    client.send(get);
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 403 ");
    mesh.callee.apply(calleeConfig("allow"), 3);
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("2"))).toBe(ok("2"));
  });

  test("to other endpoints keeps the client's connection and its request under way", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    mesh.caller.apply(callerConfig([]), 2);
    expect(answer(mesh, client, ok("1"))).toBe(ok("1"));
    client.send(get);
    mesh.settle();
    expect(client.take()).toMatch(/^HTTP\/1\.1 503 .*no healthy upstream\n$/s);
    mesh.caller.apply(callerConfig(["127.0.0.1:20000"]), 3);
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("2"))).toBe(ok("2"));
  });

  test("an endpoint that refuses connections is passed over for the same request", () => {
    const mesh = new MemoryMesh();
    mesh.caller.apply(callerConfig(["127.0.0.1:9", "127.0.0.1:20000"]), 2);
    const client = mesh.client();
    for (let round = 0; round < 20; round++) {
      deliver(mesh, client, get);
      expect(answer(mesh, client, ok(`${round}`))).toBe(ok(`${round}`));
    }
  });

  test("that cannot be bound changes nothing", () => {
    const mesh = new MemoryMesh();
    const blocked = callerConfig(["127.0.0.1:20000"]);
    const extra = {
      ...blocked,
      outbound: blocked.outbound.map((one, i) => (i === 1 ? { ...one, listen: "127.0.0.1:8080" } : one)),
    };
    expect(() => mesh.caller.apply(extra, 2)).toThrow("in use");
    expect(mesh.caller.version).toBe(0);
    const client = mesh.client();
    deliver(mesh, client, get);
    expect(answer(mesh, client, ok("1"))).toBe(ok("1"));
  });

  test("draining answers the request under way with close and then accepts nothing", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    const drained = mesh.caller.drain(10_000);
    expect(answer(mesh, client, ok("last"))).toContain("connection: close\r\n");
    expect(client.hasEnded).toBe(true);
    client.connection.end();
    mesh.settle();
    await mesh.clock.advance(1_000);
    await drained;
    expect(() => mesh.client()).toThrow("nothing listens");
  });
});

describe("a tcp service", () => {
  test("is relayed both ways at once, server first too, with half-close", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client(15002);
    mesh.app().send("banner");
    mesh.settle();
    expect(client.take()).toBe("banner");
    expect(deliver(mesh, client, "query")).toBe("query");
    client.connection.end();
    mesh.settle();
    expect(mesh.app().hasEnded).toBe(true);
    expect(answer(mesh, client, "late")).toBe("late");
    mesh.app().connection.end();
    mesh.settle();
    expect(client.hasEnded).toBe(true);
  });

  test("loses its connections when the caller loses its permission", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client(15002);
    mesh.callee.apply(calleeConfig("deny"), 2);
    mesh.settle();
    expect(client.connection.isClosed).toBe(true);
    expect(mesh.app().connection.isClosed).toBe(true);
  });

  test("is never dialled for a caller without permission", () => {
    const mesh = new MemoryMesh();
    mesh.callee.apply(calleeConfig("deny"), 2);
    const client = mesh.client(15002);
    expect(client.connection.isClosed).toBe(true);
    expect(mesh.apps.length).toBe(0);
  });
});
