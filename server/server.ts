/**
 * A server: the log opens, the state recovers from it, the certificate authority is there, the RPC service listens, the
 * log has a leader. Stopped in the opposite order.
 */
import { join } from "node:path";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { formatHostPort, type HostPort } from "../lib/contract/address.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { ClusterId } from "../lib/contract/ids.ts";
import { startAutopilot } from "./autopilot/autopilot.ts";
import { ensureAuthority } from "./ca/ensure-authority.ts";
import { createLocalLink, type ForwardHandler } from "./local-link.ts";
import { openLevelStore } from "./log/level-store.ts";
import { openSingleServerLog } from "./log/single-server-log.ts";
import { createLeaderClient } from "./rpc/leader-client.ts";
import { startRpcServer } from "./rpc/rpc-server.ts";
import type { CatalogServer } from "./server-api.ts";
import { createSingleServerOperator } from "./single-server-operator.ts";
import { createBlockingReader } from "./state/blocking.ts";
import { createState } from "./state/state.ts";
import { createTopicSource } from "./topics.ts";

export interface ServerOptions {
  readonly datacenter: string;
  /** The agent's data directory; the server keeps its database in `server/` under it. */
  readonly dataDir: string;
  /** A UUID: refuse data of any other cluster; absent: whatever cluster the directory belongs to. */
  readonly clusterId?: string;
  /** Where the RPC service listens; port 0 takes a free one. */
  readonly rpcHost: string;
  readonly rpcPort: number;
  /** The host that others reach us at, when it is not the one to listen on (such as 0.0.0.0). */
  readonly advertiseHost?: string;
  readonly runtime: MeteredRuntime;
  /** The server cannot go on and has stopped taking writes; the process should end. */
  readonly onFatal: (error: AtollError) => void;
}

export interface Server extends CatalogServer {
  readonly clusterId: ClusterId;
  /** As bound: the port is the real one. */
  readonly rpcAddress: HostPort;
  /** What an agent on another machine needs to join. */
  readonly joinToken: string;
  /** Where `/v1` requests of agents without a server of their own are run; set by whoever builds the HTTP app. */
  setForwardHandler(handler: ForwardHandler): void;
  /**
   * Ends the streams, gives the calls under way `deadlineMs` to finish, then writes what was accepted and closes the
   * database, however long that takes: it is what a restart would otherwise have to do.
   */
  stop(deadlineMs: number): Promise<void>;
}

/** Rejects with `DATA_DIR_LOCKED`, `DATA_CORRUPT`, `DATA_VERSION`, `WRONG_CLUSTER`, `CONFIG_INVALID` or `ADDRESS_IN_USE`. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { datacenter } = options;
  checkClusterId(options.clusterId);
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
    const leaderLink = createLeaderClient({ authority, clock: runtime.clock });
    const rpc = await startRpcServer({
      listen: { host: options.rpcHost, port: options.rpcPort },
      authority,
      link,
      dataDir: options.dataDir,
      runtime,
    });
    log.lead(formatHostPort({ host: options.advertiseHost ?? rpc.address.host, port: rpc.address.port }));
    const operator = createSingleServerOperator({ log, state, random: runtime.random });
    const autopilot = startAutopilot({ operator, reader, runtime });
    return {
      datacenter,
      clusterId: log.clusterId,
      reader,
      blocking,
      log,
      operator,
      autopilot,
      leaderLink,
      link,
      setForwardHandler(handler) {
        forward = handler;
      },
      rpcAddress: rpc.address,
      joinToken: rpc.joinToken,
      async stop(deadlineMs) {
        autopilot.close();
        leaderLink.close();
        await rpc.stop(deadlineMs);
        await link.close();
        await log.stop();
      },
    };
  } catch (thrown) {
    await log.stop();
    throw thrown;
  }
}

/** It becomes a part of every identity, so it has to be what a trust domain can hold. */
function checkClusterId(id: string | undefined): void {
  if (id === undefined || /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return;
  throw new AtollError("CONFIG_INVALID", `cluster id "${id}" is not a UUID in lower case`);
}
