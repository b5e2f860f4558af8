import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";
import { listenTcp, metric, startProxy } from "../transport/bun-mesh.ts";

/** A `tcp` service behind two proxies with real sockets and mutual TLS between them. */
const directory = mkdtempSync(join(tmpdir(), "atoll-relay-"));
const stops: (() => void)[] = [];
let serve: (socket: Socket) => void = () => undefined;
let port = 0;
let adminPort = 0;
let app: Server;

beforeAll(async () => {
  const authority = new TestAuthority();
  const files = writeLeaf(authority.leaf("db"), directory);
  const listening = await listenTcp((socket) => serve(socket));
  app = listening.server;
  const intentions = { default: "allow", rules: [] };
  const callee = startProxy({
    identity: files,
    inbound: [
      { service: "db", listen: "127.0.0.1:0", app: `127.0.0.1:${listening.port}`, protocol: "tcp", intentions },
    ],
    admin: { listen: "127.0.0.1:0" },
  });
  const mesh = callee.proxy.portOf("127.0.0.1:0");
  const caller = startProxy({
    identity: files,
    outbound: [
      {
        service: "db",
        listen: "127.0.0.1:0",
        protocol: "tcp",
        endpoints: [{ address: `127.0.0.1:${mesh}` }],
      },
    ],
    admin: { listen: "127.0.0.1:0" },
  });
  port = caller.proxy.portOf("127.0.0.1:0") ?? 0;
  adminPort = callee.proxy.adminPort;
  stops.push(caller.stop, callee.stop, () => app.close());
});

afterAll(() => {
  for (const stop of stops) stop();
  rmSync(directory, { recursive: true });
});

/** One end of a connection: what came, and how it ended. */
class End {
  received = "";
  /** `end`: the peer said that it was done. An error code: it was cut. */
  readonly events: string[] = [];
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.received += chunk.toString("latin1");
    });
    socket.on("end", () => this.events.push("end"));
    socket.on("error", (error) => this.events.push(String("code" in error ? error.code : error.message)));
    socket.on("close", () => this.events.push("close"));
  }

  async has(text: string): Promise<void> {
    await eventually(`"${text}" to arrive`, () => this.received === text);
  }

  async sees(event: string): Promise<void> {
    await eventually(`${event} of a connection`, () => this.events.includes(event));
  }
}

/** A connection through the mesh, both its ends. */
async function dial(): Promise<{ client: End; server: End }> {
  let server: End | undefined;
  serve = (socket) => {
    server = new End(socket);
  };
  const client = new End(connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
  await eventually("the server to be dialled", () => server !== undefined);
  if (server === undefined) throw new Error("no server");
  return { client, server };
}

const open = (): Promise<number> => metric(adminPort, /^tcp_open_connections\{.*inbound/);

describe("a tcp service behind two proxies", () => {
  for (const [kind, greeting] of [
    ["MySQL", "\x4a\0\0\0\x0a8.0.36\0"],
    ["SMTP", "220 mail.example ESMTP\r\n"],
    ["SSH", "SSH-2.0-OpenSSH_9.2\r\n"],
  ] as const) {
    test(`greets like ${kind} before the client has sent a byte, and then talks`, async () => {
      const { client, server } = await dial();
      server.socket.write(greeting, "latin1");
      await client.has(greeting);
      client.socket.write("EHLO\r\n");
      await server.has("EHLO\r\n");
      client.socket.resetAndDestroy();
      await server.sees("close");
    });
  }

  test("answers a client that has half-closed", async () => {
    const { client, server } = await dial();
    client.socket.end("query");
    await server.has("query");
    await server.sees("end");
    server.socket.end("late answer");
    await client.has("late answer");
    await client.sees("close");
    expect(client.events).toEqual(["end", "close"]);
    await server.sees("close");
    expect(server.events).toEqual(["end", "close"]);
  });

  test("may half-close first and still read", async () => {
    const { client, server } = await dial();
    server.socket.end("bye");
    await client.sees("end");
    expect(client.received).toBe("bye");
    client.socket.end("last words");
    await server.sees("close");
    expect(server.received).toBe("last words");
    expect(server.events).toEqual(["end", "close"]);
  });

  test("that resets is a reset for the client, never the end of a complete answer", async () => {
    const { client, server } = await dial();
    server.socket.write("part");
    await client.has("part");
    server.socket.resetAndDestroy();
    await client.sees("close");
    expect(client.events).toEqual(["ECONNRESET", "close"]);
  });

  test("sees the reset of a client", async () => {
    const { client, server } = await dial();
    client.socket.write("part");
    await server.has("part");
    client.socket.resetAndDestroy();
    await server.sees("close");
    expect(server.events).toEqual(["ECONNRESET", "close"]);
  });

  test("is complete for a client that reads late, though the server has closed long before", async () => {
    const size = 8 * 1024 * 1024;
    const { client, server } = await dial();
    client.socket.pause();
    server.socket.end(Buffer.alloc(size, "x"));
    await eventually("the proxies to hold some", () => server.socket.bytesWritten > 0);
    client.socket.resume();
    await client.sees("end");
    expect(client.received.length).toBe(size);
    client.socket.end();
    await client.sees("close");
  });

  test("leaves nothing open behind all that", async () => {
    const { client, server } = await dial();
    expect(await open()).toBeGreaterThan(0);
    client.socket.end();
    server.socket.end();
    await eventually("every connection to be gone", async () => (await open()) === 0);
  });

  test("that is down costs the client its connection, without an end that looks like an answer", async () => {
    await new Promise((resolve) => app.close(resolve));
    const client = new End(connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    await client.sees("close");
    expect(client.received).toBe("");
    expect(client.events).not.toContain("end");
  });
});
