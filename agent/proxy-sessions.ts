import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "../lib/base/runtime.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import type { IntentionSource } from "./intention-source.ts";
import type { AdminAddressOptions } from "./proxies/admin-address.ts";
import type { LeafSource } from "./proxies/leaf-source.ts";
import { removeOrphans } from "./proxies/orphans.ts";
import { proxyDirName } from "./proxies/proxy-command.ts";
import { type ProxySession, type ProxyStatus, startProxySession } from "./proxies/proxy-session.ts";
import { createProxyTopicPools, type ProxyTopicPools } from "./proxies/proxy-topics.ts";
import type { Sidecar } from "./proxies/sidecar.ts";
import { chooseSocketPath, removeStaleSocket, type SocketPathOptions } from "./proxies/socket-path.ts";
import { type ProxySocket, startProxySocket } from "./proxy-socket.ts";
import { createProxySupervisor } from "./supervisor.ts";

/**
 * The proxies of this agent: one process and one session for every managed sidecar, and the socket between them. Called by
 * the agent with the sidecars that shall run; everything else comes from the servers and from the proxies themselves.
 */
export interface ProxySessions {
  /** Exactly these sidecars have a proxy from now on. */
  update(sidecars: readonly Sidecar[]): void;
  status(): readonly ProxyStatus[];
  /** Leaves the proxies running for the next agent, or ends them as well. */
  stop(options: { readonly endProxies: boolean; readonly drainMs: number }): Promise<void>;
}

export interface ProxySessionsOptions {
  readonly runtime: Runtime;
  readonly link: ServerLink;
  /** Absent: as the servers have them. */
  readonly intentions?: IntentionSource;
  readonly leaves: LeafSource;
  readonly dataDir: string;
  readonly temporaryDir: string;
  readonly userId: number;
  readonly datacenter: string;
  /** Of this node, as `zoneName` has it; empty when it is not known. */
  readonly zone: string;
  readonly admin: AdminAddressOptions;
  readonly launch: ProxyLaunch;
  /** The managed sidecars as they are at the start. */
  readonly sidecars: readonly Sidecar[];
  /** A proxy has applied a configuration: its listeners are as it says. */
  readonly onApplied: (proxyId: string) => void;
}

/** How a proxy process is started. */
export interface ProxyLaunch {
  /** The program and the arguments before `proxy`. */
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the program was built from; empty when run from sources. */
  readonly revision: string;
  /** The proxies end when this agent does, whatever the reason. */
  readonly exitWithAgent: boolean;
}

/**
 * Rejects with `DATA_DIR_LOCKED` while another agent runs on the data directory. The socket says so again when it opens;
 * asking first keeps a second agent from touching the files of the first.
 */
export async function refuseSecondAgent(options: SocketPathOptions): Promise<void> {
  const { path } = await chooseSocketPath(options);
  await removeStaleSocket(path);
}

/** How long the connections of a deregistered sidecar may take to end by themselves. */
const deregisterDrainMs = 5_000;

export async function startProxySessions(options: ProxySessionsOptions): Promise<ProxySessions> {
  const manager = new Manager(options);
  await manager.start();
  return manager;
}

class Manager implements ProxySessions {
  readonly #options: ProxySessionsOptions;
  readonly #pools: ProxyTopicPools;
  readonly #directory: string;
  readonly #sessions = new Map<string, ProxySession>();
  /** Sessions that are being ended, by proxy id: the id is free again when the promise resolves. */
  readonly #ending = new Map<string, Promise<void>>();
  #wanted = new Map<string, Sidecar>();
  #socket: ProxySocket | undefined;
  #isStopping = false;

  constructor(options: ProxySessionsOptions) {
    this.#options = options;
    this.#pools = createProxyTopicPools(options.link, options.intentions);
    this.#directory = join(options.dataDir, "proxies");
  }

  async start(): Promise<void> {
    const { runtime, dataDir, sidecars } = this.#options;
    const { path, isFallback } = await chooseSocketPath(this.#options);
    if (isFallback) {
      runtime.logger.info("the data directory's path is too long for a socket, using another one", { dataDir, path });
    }
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    this.#socket = await startProxySocket({
      runtime,
      path,
      events: {
        connected: (connection) => {
          const session = this.#sessions.get(connection.proxyId);
          session?.onConnected(connection);
          if (session !== undefined) return;
          runtime.logger.warn("a proxy that is not registered connected, it is told nothing", {
            proxy: connection.proxyId,
            pid: connection.pid,
          });
        },
        disconnected: (connection) => this.#sessions.get(connection.proxyId)?.onDisconnected(connection),
        applied: (connection, version) => {
          this.#sessions.get(connection.proxyId)?.onApplied(connection, version);
          this.#options.onApplied(connection.proxyId);
        },
        replaceAsked: (connection) => this.#sessions.get(connection.proxyId)?.onReplaceAsked(connection),
        rejected: (connection, version, message) =>
          this.#sessions.get(connection.proxyId)?.onRejected(connection, version, message),
      },
    });
    this.update(sidecars);
    const proxyIds = sidecars.map((sidecar) => sidecar.ID);
    await removeOrphans({ runtime, directory: this.#directory, socketPath: path, proxyIds });
  }

  update(sidecars: readonly Sidecar[]): void {
    if (this.#isStopping) return;
    this.#wanted = new Map(sidecars.map((sidecar) => [sidecar.ID, sidecar]));
    for (const proxyId of new Set([...this.#sessions.keys(), ...this.#wanted.keys()])) this.#reconcile(proxyId);
  }

  status(): readonly ProxyStatus[] {
    return [...this.#sessions.values()].map((session) => session.status());
  }

  async stop(options: { readonly endProxies: boolean; readonly drainMs: number }): Promise<void> {
    this.#isStopping = true;
    const sessions = [...this.#sessions.values()];
    await Promise.all([
      ...this.#ending.values(),
      ...sessions.map((session) => (options.endProxies ? session.stop(options.drainMs) : session.release())),
    ]);
    await this.#socket?.stop();
  }

  #reconcile(proxyId: string): void {
    if (this.#isStopping || this.#ending.has(proxyId)) return;
    const wanted = this.#wanted.get(proxyId);
    const session = this.#sessions.get(proxyId);
    if (wanted === undefined && session !== undefined) this.#end(proxyId, session);
    else if (wanted !== undefined && session !== undefined) session.update(wanted);
    else if (wanted !== undefined) this.#begin(wanted);
  }

  #begin(sidecar: Sidecar): void {
    const { runtime, launch, leaves, datacenter, zone, admin } = this.#options;
    const socket = this.#socket;
    if (socket === undefined) return;
    const directory = join(this.#directory, proxyDirName(sidecar.ID));
    const supervisor = createProxySupervisor({
      runtime,
      proxyId: sidecar.ID,
      directory,
      socketPath: socket.path,
      ...launch,
    });
    const session = startProxySession({
      runtime,
      sidecar,
      directory,
      datacenter,
      zone,
      admin,
      pools: this.#pools,
      leaves,
      supervisor,
      revision: launch.revision,
    });
    this.#sessions.set(sidecar.ID, session);
    // It may have come before its registration was known.
    const connection = socket.connection(sidecar.ID);
    if (connection !== undefined) session.onConnected(connection);
  }

  #end(proxyId: string, session: ProxySession): void {
    const directory = join(this.#directory, proxyDirName(proxyId));
    const ended = session
      .stop(deregisterDrainMs)
      .then(() => rm(directory, { recursive: true, force: true }))
      .catch((thrown: unknown) => {
        const error = errorMessage(thrown);
        this.#options.runtime.logger.error("cannot end the proxy of a sidecar", { proxy: proxyId, error });
      })
      .then(() => {
        this.#ending.delete(proxyId);
        this.#reconcile(proxyId);
      });
    this.#sessions.delete(proxyId);
    this.#ending.set(proxyId, ended);
  }
}
