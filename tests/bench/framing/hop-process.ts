/**
 * One end of a hop as a process of its own: `server FRAMING DIR` prints its port and serves until it is ended; `client FRAMING DIR
 * PORT PATH CONCURRENCY SECONDS` keeps so many requests open on one mTLS connection and prints what it has done as JSON.
 */
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { join } from "node:path";
import { systemClock } from "../../../lib/base/clock.ts";
import { createBunTransport } from "../../../proxy/transport/bun.ts";
import { loadIdentity } from "../../../proxy/transport/identity.ts";
import { WriteTurn } from "../../../proxy/transport/outbox.ts";
import type { Connection } from "../../../proxy/transport/transport.ts";
import { http2Client, serveHttp2 } from "./http2-hop.ts";
import type { HopOptions } from "./hop.ts";
import { OwnClient, OwnServer } from "./own-hop.ts";

const [role, framing, directory = "", port, path = "", concurrency, seconds] = process.argv.slice(2);
const identity = loadIdentity(
  {
    certFile: join(directory, "leaf.crt"),
    keyFile: join(directory, "leaf.key"),
    caFile: join(directory, "roots.crt"),
  },
  Date.now(),
);
const transport = createBunTransport(systemClock);
const turn = new WriteTurn(transport);
const bodies: Record<string, Buffer> = { "/small": Buffer.alloc(100, "b"), "/big": Buffer.alloc(1024 * 1024, "b") };
const optionsOf = (connection: Connection): HopOptions => ({
  connection,
  turn,
  bodyOf: (asked) => bodies[asked] ?? Buffer.alloc(1),
});

if (role === "server") serve();
else load();

function serve(): void {
  const listener = transport.listen({
    host: "127.0.0.1",
    port: 0,
    identity,
    handshakes: () => defaultProxyLimits.handshakes,
    onConnection: (connection) => {
      if (framing === "own") new OwnServer(optionsOf(connection));
      else serveHttp2(optionsOf(connection));
    },
    onRefused: (reason) => console.error(`refused: ${reason}`),
  });
  console.log(`${listener.port}`);
}

function load(): void {
  transport.connect({
    host: "127.0.0.1",
    port: Number(port),
    timeoutMs: 5_000,
    tls: { identity, serverName: "web", isExpectedPeer: () => true },
    onResult(result) {
      if (!result.ok) throw new Error(result.message);
      const options = optionsOf(result.connection);
      run(framing === "own" ? new OwnClient(options) : http2Client(options));
    },
  });
}

function run(client: { request(path: string, onDone: () => void): void }): void {
  const warmUpMs = 1_500;
  let requests = 0;
  let isOver = false;
  const next = (): void => {
    requests++;
    if (!isOver) client.request(path, next);
  };
  for (let i = 0; i < Number(concurrency); i++) client.request(path, next);
  setTimeout(() => {
    const before = { requests, cpu: process.cpuUsage(), ms: performance.now() };
    console.log("begin");
    setTimeout(() => {
      const cpu = process.cpuUsage(before.cpu);
      const done = requests - before.requests;
      isOver = true;
      console.log(JSON.stringify({ requests: done, ms: performance.now() - before.ms, cpuUs: cpu.user + cpu.system }));
      process.exit();
    }, Number(seconds) * 1_000);
  }, warmUpMs);
}
