import { afterAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { systemClock } from "../../../lib/base/clock.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { createBunTransport } from "../../../proxy/transport/bun.ts";
import { MemoryNetwork } from "../../../proxy/transport/memory.ts";
import { keep } from "../../../lib/base/received-memory.ts";
import { minFreedBytes } from "../../../proxy/transport/turn-end.ts";
import type { Connection, ConnectResult, TlsIdentity, Transport } from "../../../proxy/transport/transport.ts";
import { type TestLeaf, TestAuthority } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";

/** What both transports promise; `turn` lets a transport that does nothing by itself run. */
interface Subject {
  readonly name: string;
  readonly transport: Transport;
  readonly turn: () => void;
  readonly stop: () => void;
}

const authority = new TestAuthority();
const stranger = new TestAuthority();

function identity(leaf: TestLeaf): TlsIdentity {
  return { certPem: leaf.certPem, keyPem: leaf.keyPem, caPem: leaf.caPem, spiffeUri: leaf.uri, notAfterMs: 0 };
}

function subjects(): Subject[] {
  const bun = createBunTransport(systemClock);
  const memory = new MemoryNetwork();
  return [
    { name: "Bun's sockets", transport: bun, turn: () => undefined, stop: () => bun.stop() },
    { name: "the memory network", transport: memory, turn: () => memory.settle(), stop: () => undefined },
  ];
}

/** One end and everything that happened to it. */
class End {
  connection: Connection | undefined;
  received: Buffer[] = [];
  drains = 0;
  hasEnded = false;
  isClosed = false;

  hold(connection: Connection, onChunk: (chunk: Buffer) => void = () => undefined): void {
    this.connection = connection;
    connection.handler = {
      onData: (chunk) => {
        this.received.push(Buffer.from(chunk));
        onChunk(chunk);
      },
      onDrain: () => this.drains++,
      onEnd: () => {
        this.hasEnded = true;
      },
      onClose: () => {
        this.isClosed = true;
      },
    };
  }

  get bytes(): number {
    return this.received.reduce((total, chunk) => total + chunk.length, 0);
  }

  get text(): string {
    return Buffer.concat(this.received).toString("latin1");
  }

  get must(): Connection {
    if (this.connection === undefined) throw new Error("not connected");
    return this.connection;
  }
}

for (const subject of subjects()) {
  for (const isTls of [false, true]) {
    describe(`${subject.name}, ${isTls ? "mTLS" : "plain"}`, () => {
      const web = identity(authority.leaf("web"));
      const api = identity(authority.leaf("api"));
      const closers: (() => void)[] = [];
      const wait = (what: string, probe: () => boolean): Promise<boolean> =>
        eventually(what, () => {
          subject.turn();
          return probe();
        });

      afterAll(() => {
        for (const close of closers) close();
      });

      async function open(): Promise<{ client: End; server: End }> {
        const [client, server] = [new End(), new End()];
        const listener = subject.transport.listen({
          host: "127.0.0.1",
          port: 0,
          ...(isTls ? { identity: api, handshakes: () => defaultProxyLimits.handshakes } : {}),
          onConnection: (connection) => server.hold(connection),
          onRefused: () => undefined,
        });
        closers.push(() => listener.close());
        subject.transport.connect({
          host: "127.0.0.1",
          port: listener.port,
          timeoutMs: 5_000,
          ...(isTls
            ? { tls: { identity: web, serverName: "api", isExpectedPeer: (uri) => uri === api.spiffeUri } }
            : {}),
          onResult: (result) => {
            if (result.ok) client.hold(result.connection);
          },
        });
        await wait("both ends", () => client.connection !== undefined && server.connection !== undefined);
        return { client, server };
      }

      test("carries bytes both ways and tells who the peer is", async () => {
        const { client, server } = await open();
        client.must.write(Buffer.from("question"));
        await wait("the question", () => server.text === "question");
        server.must.write(Buffer.from("answer"));
        await wait("the answer", () => client.text === "answer");
        expect(server.must.peerUri).toBe(isTls ? web.spiffeUri : "");
        expect(client.must.peerUri).toBe(isTls ? api.spiffeUri : "");
      });

      test("half-closes: the other way still works, then both sides close", async () => {
        const { client, server } = await open();
        client.must.write(Buffer.from("last"));
        client.must.end();
        await wait("the end", () => server.hasEnded && server.text === "last");
        expect(server.isClosed).toBe(false);
        server.must.write(Buffer.from("late"));
        server.must.end();
        await wait("the close", () => client.hasEnded && client.isClosed && server.isClosed);
        expect(client.text).toBe("late");
      });

      test("destroys: the other side is told by a close", async () => {
        const { client, server } = await open();
        client.must.destroy();
        await wait("the close", () => server.isClosed && client.isClosed);
      });

      test("frees what came in a turn at its end, but for what somebody keeps", async () => {
        const { client, server } = await open();
        const chunks: Buffer[] = [];
        let keepsNext = false;
        server.hold(server.must, (chunk) => {
          chunks.push(chunk);
          if (keepsNext) keep(chunk.subarray(1));
        });
        const sent = Buffer.alloc(40_000, "x");
        client.must.write(sent);
        await wait("all of it", () => server.bytes === sent.length);
        await wait("that nothing of it is left", () => chunks.every((chunk) => chunk.length < minFreedBytes));
        chunks.length = 0;
        keepsNext = true;
        client.must.write(sent);
        await wait("all of it again", () => server.bytes === 2 * sent.length);
        for (let turn = 0; turn < 3; turn++) await Bun.sleep(1);
        subject.turn();
        expect(Buffer.concat(chunks).equals(sent)).toBe(true);
      });

      test("sends on what it received, also where that has to wait for a slow reader", async () => {
        const [from, to] = [await open(), await open()];
        from.server.hold(from.server.must, (chunk) => to.client.must.write(chunk));
        const sent = randomBytes(16 * 1024 * 1024);
        to.server.must.pause();
        from.client.must.write(sent);
        await wait("all of it to arrive", () => from.server.bytes === sent.length);
        expect(to.client.must.isBlocked).toBe(true);
        to.server.must.resume();
        await wait("all of it to arrive there", () => to.server.bytes === sent.length);
        expect(Buffer.concat(to.server.received).equals(sent)).toBe(true);
      });

      test("takes everything written to a reader that pauses, says stop, and drains when it reads again", async () => {
        const { client, server } = await open();
        server.must.pause();
        const sizeBytes = 24 * 1024 * 1024;
        let wantsMore = true;
        for (let sent = 0; sent < sizeBytes; sent += 1024 * 1024) {
          wantsMore = client.must.write(Buffer.alloc(1024 * 1024, "x"));
        }
        expect(wantsMore).toBe(false);
        expect(client.must.isBlocked).toBe(true);
        subject.turn();
        expect(server.bytes).toBeLessThan(1024 * 1024);
        server.must.resume();
        await wait("all bytes", () => server.bytes === sizeBytes);
        await wait("the drain", () => client.drains > 0);
        expect(client.must.isBlocked).toBe(false);
      });

      test("counts what waits in user space, until it has left or its connection is gone", async () => {
        const { client, server } = await open();
        const before = subject.transport.waitingBytes;
        const sizeBytes = 24 * 1024 * 1024;
        server.must.pause();
        client.must.write(Buffer.alloc(sizeBytes));
        const waiting = subject.transport.waitingBytes - before;
        expect(waiting).toBeGreaterThan(0);
        expect(waiting).toBeLessThanOrEqual(sizeBytes);
        server.must.resume();
        await wait("all bytes", () => server.bytes === sizeBytes);
        expect(subject.transport.waitingBytes).toBe(before);
        server.must.pause();
        client.must.write(Buffer.alloc(sizeBytes));
        expect(subject.transport.waitingBytes).toBeGreaterThan(before);
        client.must.destroy();
        await wait("the close", () => client.isClosed);
        expect(subject.transport.waitingBytes).toBe(before);
      });

      test("sends what waits before it half-closes", async () => {
        const { client, server } = await open();
        server.must.pause();
        client.must.write(Buffer.alloc(16 * 1024 * 1024, "x"));
        client.must.end();
        server.must.resume();
        await wait("the end", () => server.hasEnded);
        expect(server.bytes).toBe(16 * 1024 * 1024);
      });

      test("reports an address where nobody listens", async () => {
        let outcome: ConnectResult | undefined;
        subject.transport.connect({
          host: "127.0.0.1",
          port: 1,
          timeoutMs: 5_000,
          onResult: (result) => {
            outcome = result;
          },
        });
        expect(outcome).toBeUndefined();
        await wait("the failure", () => outcome !== undefined);
        expect(outcome).toMatchObject({ ok: false, reason: "refused" });
      });

      test("refuses to bind an address twice, naming it", () => {
        const bind = (port: number) =>
          subject.transport.listen({
            host: "127.0.0.1",
            port,
            onConnection: () => undefined,
            onRefused: () => undefined,
          });
        const first = bind(0);
        closers.push(() => first.close());
        expect(() => bind(first.port)).toThrow(`127.0.0.1:${first.port}`);
      });

      if (isTls) {
        test("uses a new identity for the next handshake only", async () => {
          const refused: string[] = [];
          const held: End[] = [];
          const listener = subject.transport.listen({
            host: "127.0.0.1",
            port: 0,
            identity: api,
            handshakes: () => defaultProxyLimits.handshakes,
            onConnection: (connection) => {
              const end = new End();
              end.hold(connection);
              held.push(end);
            },
            onRefused: (reason) => refused.push(reason),
          });
          closers.push(() => listener.close());
          const results: ConnectResult[] = [];
          const dial = (own: TlsIdentity): void =>
            subject.transport.connect({
              host: "127.0.0.1",
              port: listener.port,
              timeoutMs: 5_000,
              tls: { identity: own, serverName: "api", isExpectedPeer: () => true },
              onResult: (result) => results.push(result),
            });
          dial(web);
          await wait("the first connection", () => held.length === 1);
          listener.setHandshake(identity(stranger.leaf("api")), []);
          dial(web);
          await wait("the refusal", () => results.length === 2);
          expect(results[1]).toMatchObject({ ok: false });
          dial(identity(stranger.leaf("web")));
          await wait("the second connection", () => held.length === 2);
          held[0]?.must.write(Buffer.from("still here"));
          expect(held[0]?.isClosed).toBe(false);
        });
      }
    });
  }
}
