import { createServer, type Server, type Socket } from "node:net";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { silentLogger } from "../../../lib/base/logger.ts";
import { type ProxyConfig, parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { MeshProxy } from "../../../proxy/proxy.ts";
import { systemOutputs } from "../../../proxy/telemetry/system-outputs.ts";
import { createBunTransport } from "../../../proxy/transport/bun.ts";
import { loadIdentity } from "../../../proxy/transport/identity.ts";

/** Starts a proxy on real sockets from a document; everything it opened ends with `stop`. */
export function startProxy(document: unknown): { proxy: MeshProxy; stop: () => void } {
  const transport = createBunTransport(systemClock);
  const proxy = new MeshProxy(
    {
      runtime: { clock: systemClock, random: createSeededRandom(1), logger: silentLogger },
      transport,
      loadIdentity: (files) => loadIdentity(files, systemClock.nowMs()),
      memoryUsage: () => ({ rss: 0, heapUsed: 0 }),
      outputs: systemOutputs(systemClock),
      onDrainRequested: () => undefined,
      onRestartRequested: () => undefined,
      sharing: "claim",
      processes: 1,
    },
    mustParse(document),
  );
  return {
    proxy,
    stop: () => {
      proxy.stop();
      transport.stop();
    },
  };
}

export function mustParse(document: unknown): ProxyConfig {
  const parsed = parseProxyConfig(document);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.config;
}

/** A TCP server on a free port of 127.0.0.1. */
export async function listenTcp(onSocket: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, onSocket);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, port: address.port };
}

export async function metric(adminPort: number, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const line = text.split("\n").find((candidate) => pattern.test(candidate));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}
