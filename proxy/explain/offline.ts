import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { DataPlane } from "../data-plane.ts";
import type { ProxyContext } from "../proxy-context.ts";
import type { TelemetryOutputs } from "../telemetry/outputs.ts";
import { MemoryNetwork } from "../transport/memory.ts";
import type { TlsIdentity } from "../transport/transport.ts";

/** In the place of a certificate that is not on this machine. */
const unknownUri = "spiffe://unknown/ns/default/dc/unknown/svc/unknown";

/** What a proxy's listeners need, on a network that nobody else is on: they are the real ones, and open no socket. */
export interface Offline {
  readonly context: ProxyContext;
  /** URIs that a listener wanted to fetch. */
  readonly wanted: readonly string[];
  /** What is not as it would be in a running proxy. */
  readonly notes: readonly string[];
  stop(): void;
}

export function createOffline(
  config: ProxyConfig,
  runtime: Runtime,
  loadIdentity: (files: ProxyConfig["identity"]) => TlsIdentity,
): Offline {
  const wanted: string[] = [];
  const notes: string[] = [];
  const plane = new DataPlane(
    {
      runtime,
      transport: new MemoryNetwork(),
      loadIdentity: (files) => {
        try {
          return loadIdentity(files);
        } catch (thrown) {
          notes.push(`no proxy could start with this identity: ${errorMessage(thrown)}`);
          return { certPem: "", keyPem: "", caPem: "", spiffeUri: unknownUri, notAfterMs: Number.POSITIVE_INFINITY };
        }
      },
      memoryUsage: () => ({ rss: 0, heapUsed: 0 }),
      outputs: noOutputs,
      sharing: "claim",
      processes: 1,
      fetchText: (uri) => {
        if (!wanted.includes(uri)) wanted.push(uri);
        return Promise.reject(new Error("nothing is fetched"));
      },
    },
    config,
  );
  return { context: plane.context, wanted, notes, stop: () => plane.stop() };
}

const noOutputs: TelemetryOutputs = {
  openLog: () => ({ write: (_text, onDone) => onDone(undefined), refresh: () => undefined, close: () => undefined }),
  post: () => Promise.resolve(200),
};
