import type { Clock } from "../../lib/base/clock.ts";
import { type Logger, silentLogger } from "../../lib/base/logger.ts";
import { createSeededRandom } from "../../lib/base/random.ts";
import { parseProxyConfig, type ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { MeshProxy } from "../../proxy/proxy.ts";
import { MemoryConnection, type MemoryNetwork } from "../../proxy/transport/memory.ts";
import type { ClientTls, TlsIdentity } from "../../proxy/transport/transport.ts";
import { MemoryOutputs } from "../fakes/memory-outputs.ts";

/** Files that nobody reads: a proxy in memory is given its identity. */
const identity = { certFile: "leaf.crt", keyFile: "leaf.key", caFile: "roots.crt" };

/** The document with its defaults; throws with what is wrong. */
export function mustParse(document: object): ProxyConfig {
  const parsed = parseProxyConfig({ identity, ...document });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.config;
}

export interface MemoryProxyOptions {
  readonly network: MemoryNetwork;
  readonly clock: Clock;
  readonly identity: TlsIdentity;
  readonly outputs?: MemoryOutputs;
  readonly logger?: Logger;
}

/** A proxy whose network, time and outputs are those of a test. */
export function startMemoryProxy(config: ProxyConfig, options: MemoryProxyOptions): MeshProxy {
  const { network, clock, outputs = new MemoryOutputs(), logger = silentLogger } = options;
  return new MeshProxy(
    {
      runtime: { clock, random: createSeededRandom(1), logger },
      transport: network,
      loadIdentity: () => options.identity,
      memoryUsage: () => ({ rss: 0, heapUsed: 0 }),
      outputs,
      onDrainRequested: () => undefined,
      onRestartRequested: () => undefined,
      sharing: "claim",
      processes: 1,
    },
    config,
  );
}

/** A connection to a port of this network; throws where nothing listens. */
export function dialMemory(network: MemoryNetwork, port: number, tls?: ClientTls): MemoryConnection {
  let dialled: MemoryConnection | undefined;
  network.connect({
    host: "127.0.0.1",
    port,
    timeoutMs: 1_000,
    ...(tls === undefined ? {} : { tls }),
    onResult: (result) => {
      if (result.ok && result.connection instanceof MemoryConnection) dialled = result.connection;
    },
  });
  network.settle();
  if (dialled === undefined) throw new Error(`nothing listens on ${port}`);
  return dialled;
}
