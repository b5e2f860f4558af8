/**
 * A server: the log opens, the state recovers from it, the certificate authority is there, the RPC service listens, the
 * log has a leader. Stopped in the opposite order.
 */
import { join } from "node:path";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { ClusterId } from "../lib/contract/ids.ts";
import { ensureAuthority } from "./ca/ensure-authority.ts";
import { createLocalLink, type ForwardHandler } from "./local-link.ts";
import { openLevelStore } from "./log/level-store.ts";
import { openSingleServerLog } from "./log/single-server-log.ts";
import type { CatalogServer } from "./server-api.ts";
import { createBlockingReader } from "./state/blocking.ts";
import { createState } from "./state/state.ts";
import { createTopicSource } from "./topics.ts";

export interface ServerOptions {
  readonly datacenter: string;
  /** The agent's data directory; the server keeps its database in `server/` under it. */
  readonly dataDir: string;
  /** Refuse data of any other cluster; absent: whatever cluster the directory belongs to. */
  readonly clusterId?: string;
  /** Where the RPC service listens; port 0 takes a free one. */
  readonly rpcHost: string;
  readonly rpcPort: number;
  readonly runtime: MeteredRuntime;
  /** The server cannot go on and has stopped taking writes; the process should end. */
  readonly onFatal: (error: AtollError) => void;
}

export interface Server extends CatalogServer {
  readonly clusterId: ClusterId;
  /** Where `/v1` requests of agents without a server of their own are run; set by whoever builds the HTTP app. */
  setForwardHandler(handler: ForwardHandler): void;
  /** Ends subscriptions and RPCs, then writes what is left and closes the database; at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/** Rejects with the codes of `openLevelStore` and `openSingleServerLog`, and `ADDRESS_IN_USE`; then nothing is left open. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { datacenter } = options;
  const runtime: MeteredRuntime = { ...options.runtime, logger: options.runtime.logger.child("server") };
  const directory = join(options.dataDir, "server");

  const state = createState();
  const { reader } = state;
  const blocking = createBlockingReader({ reader, watches: state.watches, clock: runtime.clock });
  const log = await openSingleServerLog({
    store: await openLevelStore(directory),
    directory,
    machine: state,
    expected: { datacenter, ...(options.clusterId === undefined ? {} : { clusterId: options.clusterId }) },
    runtime,
    onFatal: options.onFatal,
  });
  try {
    const authority = await ensureAuthority({
      log,
      activeRoot: state.caSigner,
      datacenter,
      clusterId: log.clusterId,
      currentIndex: reader.appliedIndex,
      runtime,
    });
    const topics = createTopicSource({ reader, watches: state.watches });
    let forward: ForwardHandler = async () => {
      throw new AtollError("UNAVAILABLE", "the HTTP API of this server is not up yet; ask again");
    };
    const link = createLocalLink({
      log,
      reader,
      topics,
      sign: (csrPem) => authority.sign(csrPem),
      forward: (request, signal) => forward(request, signal),
    });
    log.lead(`${options.rpcHost}:${options.rpcPort}`);
    return {
      datacenter,
      clusterId: log.clusterId,
      reader,
      blocking,
      log,
      link,
      setForwardHandler(handler) {
        forward = handler;
      },
      async stop() {
        await link.close();
        await log.stop();
      },
    };
  } catch (thrown) {
    await log.stop();
    throw thrown;
  }
}
