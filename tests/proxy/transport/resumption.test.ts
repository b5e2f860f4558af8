import { afterEach, expect, test } from "bun:test";
import { createServer, type TLSSocket } from "node:tls";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { type Clock, systemClock } from "../../../lib/base/clock.ts";
import { createBunTransport } from "../../../proxy/transport/bun.ts";
import type { ConnectResult, TlsIdentity } from "../../../proxy/transport/transport.ts";
import { type TestLeaf, TestAuthority } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";

/** Sessions of mutual TLS that are taken up again: cheaper, and never more than a full handshake would allow. */
const authority = new TestAuthority();
const web = authority.leaf("web");
const api = authority.leaf("api");
const twoDaysMs = 48 * 3_600_000;
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function identity(leaf: TestLeaf): TlsIdentity {
  return { certPem: leaf.certPem, keyPem: leaf.keyPem, caPem: leaf.caPem, spiffeUri: leaf.uri, notAfterMs: 0 };
}

function createTransport(clock: Clock = systemClock) {
  const transport = createBunTransport(clock);
  closers.push(() => transport.stop());
  return transport;
}

type TestTransport = ReturnType<typeof createTransport>;

/** Connects, and waits for a byte of the callee, behind which the session comes. */
async function call(transport: TestTransport, port: number, own: TlsIdentity): Promise<string> {
  let outcome: ConnectResult | undefined;
  let hasAnswer = false;
  transport.connect({
    host: "127.0.0.1",
    port,
    timeoutMs: 5_000,
    tls: { identity: own, serverName: "api", isExpectedPeer: (uri) => uri === api.uri },
    onResult(result) {
      outcome = result;
      if (!result.ok) return;
      result.connection.handler = {
        onData: () => {
          hasAnswer = true;
        },
        onDrain: () => undefined,
        onEnd: () => undefined,
        onClose: () => undefined,
      };
    },
  });
  await eventually("an answer or a failure", () => hasAnswer || outcome?.ok === false);
  if (outcome?.ok === true) outcome.connection.destroy();
  return outcome?.ok === false ? outcome.reason : "answered";
}

/** A callee that tells whether each connection took up an earlier session. */
async function listenTls(): Promise<{ port: number; reused: boolean[] }> {
  const reused: boolean[] = [];
  const options = { cert: api.certPem, key: api.keyPem, ca: api.caPem, requestCert: true, rejectUnauthorized: true };
  const server = createServer(options, (socket: TLSSocket) => {
    reused.push(socket.isSessionReused());
    socket.on("error", () => undefined);
    socket.write("x");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, reused };
}

test("the second connection to a callee takes up the session of the first", async () => {
  const transport = createTransport();
  const { port, reused } = await listenTls();
  const own = identity(web);
  for (let i = 0; i < 3; i++) expect(await call(transport, port, own)).toBe("answered");
  expect(reused).toEqual([false, true, true]);
});

test("after a renewal of our certificate the handshake is a full one", async () => {
  const transport = createTransport();
  const { port, reused } = await listenTls();
  await call(transport, port, identity(web));
  await call(transport, port, identity(authority.leaf("web")));
  expect(reused).toEqual([false, false]);
});

test("a callee whose certificate has expired since is refused once, and then asked for its new one", async () => {
  let aheadMs = 0;
  const transport = createTransport({ ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs });
  const { port, reused } = await listenTls();
  const own = identity(web);
  await call(transport, port, own);
  aheadMs = twoDaysMs;
  expect(await call(transport, port, own)).toBe("expired_certificate");
  expect(await call(transport, port, own)).toBe("answered");
  // The one in between ends before the callee has seen it stand.
  expect(reused).toEqual([false, false]);
});

/** A caller that offers a session whatever it is worth. */
async function offer(port: number, session?: Buffer): Promise<{ outcome: string; session: Buffer | undefined }> {
  let outcome = "";
  let given: Buffer | undefined;
  const events = {
    open(socket: Bun.Socket<undefined>) {
      if (session !== undefined) socket.setSession(session);
    },
    session(_socket: Bun.Socket<undefined>, ticket: Buffer) {
      given = ticket;
    },
    // Without it Bun calls `open` after the handshake, when a session comes too late.
    handshake: () => undefined,
    data(socket: Bun.Socket<undefined>) {
      outcome = socket.isSessionReused() ? "resumed" : "full";
    },
    close() {
      if (outcome === "") outcome = "closed";
    },
    error: () => undefined,
  };
  const socket = await Bun.connect<undefined>({
    hostname: "127.0.0.1",
    port,
    tls: { cert: web.certPem, key: web.keyPem, ca: web.caPem, serverName: "api" },
    socket: events,
  });
  await eventually("an outcome", () => outcome !== "" && (outcome === "closed" || given !== undefined));
  socket.terminate();
  return { outcome, session: given };
}

function listenMesh(clock: Clock) {
  const refused: string[] = [];
  const listener = createTransport(clock).listen({
    host: "127.0.0.1",
    port: 0,
    identity: identity(api),
    handshakes: () => defaultProxyLimits.handshakes,
    onConnection: (connection) => void connection.write(Buffer.from("x")),
    onRefused: (reason) => refused.push(reason),
  });
  closers.push(() => listener.close());
  return { listener, refused };
}

test("a caller whose certificate has expired since is refused though its session is a good one", async () => {
  let aheadMs = 0;
  const { listener, refused } = listenMesh({ ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs });
  const { session } = await offer(listener.port);
  expect((await offer(listener.port, session)).outcome).toBe("resumed");
  aheadMs = twoDaysMs;
  expect((await offer(listener.port, session)).outcome).toBe("closed");
  expect(refused).toEqual(["expired_certificate"]);
});

test("a session that began under roots which are trusted no longer is refused", async () => {
  const { listener, refused } = listenMesh(systemClock);
  const { session } = await offer(listener.port);
  const { caPem } = new TestAuthority().leaf("api");
  listener.setHandshake({ ...identity(api), caPem }, []);
  expect((await offer(listener.port, session)).outcome).toBe("closed");
  expect(refused).toEqual(["untrusted_certificate"]);
});
