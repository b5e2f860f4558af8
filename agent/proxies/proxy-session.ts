import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Logger } from "../../lib/base/logger.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { Subscription } from "../../lib/client/server-link.ts";
import type { LeafCertificate } from "../agent-api.ts";
import { ProxyConfigReader } from "../../lib/contract/proxy-config-reader.ts";
import { computeProxyConfig } from "../proxy-config.ts";
import type { ProxySupervisor } from "../supervisor.ts";
import { type AdminAddressOptions, adminAddress } from "./admin-address.ts";
import { type ConfigChannel, createConfigChannel } from "./config-channel.ts";
import { pruneIdentityFiles, writeIdentityFiles } from "./identity-files.ts";
import type { LeafSource } from "./leaf-source.ts";
import type { ProxyConnection } from "./proxy-connection.ts";
import { createProxyTopics, type ProxyTopicPools, type ProxyTopics } from "./proxy-topics.ts";
import type { Sidecar } from "./sidecar.ts";

/**
 * One managed sidecar: gathers what its configuration depends on, computes it again after a change, and offers the result
 * to the proxy. The proxy keeps its last configuration whenever something is missing here.
 */
export interface ProxySession {
  update(sidecar: Sidecar): void;
  onConnected(connection: ProxyConnection): void;
  onDisconnected(connection: ProxyConnection): void;
  onApplied(connection: ProxyConnection, version: number): void;
  onRejected(connection: ProxyConnection, version: number, message: string): void;
  status(): ProxyStatus;
  /** The proxy asked for a new process that takes over from it. */
  onReplaceAsked(connection: ProxyConnection): void;
  /** Ends the proxy as well. */
  stop(drainMs: number): Promise<void>;
  /** Leaves the proxy running with the configuration it has. */
  release(): Promise<void>;
}

export interface ProxyStatus {
  readonly proxyId: string;
  readonly service: string;
  readonly pid: number | undefined;
  readonly isConnected: boolean;
  /** Newest version computed and newest version that the proxy applied; 0 for none. */
  readonly version: number;
  readonly appliedVersion: number;
  readonly adminAddress: string;
}

export interface ProxySessionOptions {
  readonly runtime: Runtime;
  readonly sidecar: Sidecar;
  readonly directory: string;
  readonly datacenter: string;
  /** Of this node; empty when it is not known. */
  readonly zone: string;
  readonly admin: AdminAddressOptions;
  readonly pools: ProxyTopicPools;
  readonly leaves: LeafSource;
  readonly supervisor: ProxySupervisor;
  /** What this executable was built from: a proxy of another one is replaced. Empty when run from sources. */
  readonly revision: string;
}

/** Changes that come close together make one new version. The first one after a quiet time is not delayed. */
const minComputeIntervalMs = 50;
const retryAfterErrorMs = 1_000;
const incompleteWarningMs = 15_000;
/** Where the proxy has a configuration of an earlier agent only. */
const defaultDrainMs = 30_000;

export function startProxySession(options: ProxySessionOptions): ProxySession {
  return new Session(options);
}

class Session implements ProxySession {
  readonly #options: ProxySessionOptions;
  readonly #logger: Logger;
  readonly #topics: ProxyTopics;
  readonly #channel: ConfigChannel;
  readonly #reader = new ProxyConfigReader();
  #sidecar: Sidecar;
  #leaf: LeafCertificate | undefined;
  #leafWatch: Subscription;
  #nextComputeMs = 0;
  #computeTimer: Timer | undefined;
  #incompleteTimer: Timer;
  /** File writes and removals of this session, one after the other. */
  #working: Promise<void> = Promise.resolve();
  #problems = "";
  #isClosed = false;
  /** While two processes run: who serves, and who is about to. */
  #takeover: { readonly predecessor: ProxyConnection | undefined; readonly successor: ProxyConnection } | undefined;
  /** The process whose replacement was tried because of its build. */
  #triedPid = 0;

  constructor(options: ProxySessionOptions) {
    this.#options = options;
    this.#sidecar = options.sidecar;
    this.#logger = options.runtime.logger.child("proxy");
    this.#channel = createConfigChannel({ runtime: options.runtime, proxyId: options.sidecar.ID });
    this.#topics = createProxyTopics(options.pools, () => this.#schedule());
    this.#topics.update(options.sidecar.Proxy);
    this.#leafWatch = this.#watchLeaf();
    this.#incompleteTimer = options.runtime.clock.after(incompleteWarningMs, () => this.#warnIncomplete());
    options.supervisor.start();
    this.#schedule();
  }

  update(sidecar: Sidecar): void {
    const isOtherService = sidecar.Proxy.DestinationServiceName !== this.#sidecar.Proxy.DestinationServiceName;
    this.#sidecar = sidecar;
    this.#topics.update(sidecar.Proxy);
    if (isOtherService) {
      this.#leafWatch.close();
      this.#leaf = undefined;
      this.#leafWatch = this.#watchLeaf();
    }
    this.#schedule();
  }

  onConnected(connection: ProxyConnection): void {
    const role = this.#options.supervisor.onHello(connection);
    if (role === "stranger") return;
    this.#logger.debug("the proxy is connected", { proxy: connection.proxyId, role, version: connection.version });
    if (role === "successor") {
      this.#takeover = { predecessor: this.#channel.connection(), successor: connection };
      this.#channel.connect(connection);
    } else if (this.#takeover !== undefined) {
      // It hears of changes again if its successor fails.
      this.#takeover = { ...this.#takeover, predecessor: connection };
    } else {
      this.#channel.connect(connection);
      this.#maybeReplace(connection);
    }
  }

  onDisconnected(connection: ProxyConnection): void {
    this.#channel.disconnect(connection);
    if (this.#takeover?.predecessor === connection) this.#takeover = { ...this.#takeover, predecessor: undefined };
  }

  onApplied(connection: ProxyConnection, version: number): void {
    if (!this.#channel.onApplied(connection, version)) return;
    if (this.#takeover?.successor === connection) {
      const { predecessor } = this.#takeover;
      this.#takeover = undefined;
      const drainMs = this.#channel.config()?.drainTimeoutMs ?? defaultDrainMs;
      this.#options.supervisor.promote({ drainMs, connection: predecessor });
    }
    this.#working = this.#working.then(() => this.#prune());
  }

  onRejected(connection: ProxyConnection, version: number, message: string): void {
    if (this.#takeover?.successor === connection) this.#options.supervisor.dismiss(message);
    else this.#channel.onRejected(connection, version, message);
  }

  onReplaceAsked(connection: ProxyConnection): void {
    if (this.#channel.connection() !== connection) return;
    this.#logger.info("replacing the proxy as it asked", { proxy: connection.proxyId, pid: connection.pid });
    this.#replace();
  }

  status(): ProxyStatus {
    const versions = this.#channel.versions();
    return {
      proxyId: this.#sidecar.ID,
      service: this.#sidecar.Proxy.DestinationServiceName,
      pid: this.#options.supervisor.pid(),
      isConnected: this.#channel.connection() !== undefined,
      version: versions.offered,
      appliedVersion: versions.applied,
      adminAddress: adminAddress(this.#sidecar, this.#options.admin),
    };
  }

  async stop(drainMs: number): Promise<void> {
    const connection = this.#channel.connection();
    await this.#close();
    await this.#options.supervisor.stop({ drainMs, connection });
  }

  async release(): Promise<void> {
    await this.#close();
    await this.#options.supervisor.release();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#computeTimer?.cancel();
    this.#incompleteTimer.cancel();
    this.#channel.close();
    this.#leafWatch.close();
    this.#topics.close();
    await this.#working;
  }

  /** After an upgrade of this executable the proxies of the one before still run. Each is replaced, once: if that fails it serves on. */
  #maybeReplace(connection: ProxyConnection): void {
    const { revision } = this.#options;
    if (revision === "" || connection.revision === revision || connection.pid === this.#triedPid) return;
    this.#triedPid = connection.pid;
    if (connection.revision === undefined) {
      this.#logger.info("the proxy is too old to be replaced without a gap, it goes on", { proxy: connection.proxyId });
      return;
    }
    this.#logger.info("replacing the proxy of another build", {
      proxy: connection.proxyId,
      pid: connection.pid,
      revision: connection.revision,
    });
    this.#replace();
  }

  #replace(): void {
    this.#options.supervisor.replace(() => {
      const predecessor = this.#takeover?.predecessor;
      this.#takeover = undefined;
      if (predecessor !== undefined) this.#channel.connect(predecessor);
    });
  }

  /** A service that can have no certificate gets no configuration either; its sidecar stays without one. */
  #watchLeaf(): Subscription {
    try {
      return this.#options.leaves.watch(this.#sidecar.Proxy.DestinationServiceName, (leaf) => {
        this.#leaf = leaf;
        this.#schedule();
      });
    } catch (thrown) {
      this.#logger.error("no certificate for a sidecar", { proxy: this.#sidecar.ID, error: errorMessage(thrown) });
      return { close: () => undefined };
    }
  }

  #schedule(): void {
    if (this.#isClosed || this.#computeTimer !== undefined) return;
    const { clock } = this.#options.runtime;
    this.#computeTimer = clock.after(Math.max(0, this.#nextComputeMs - clock.monotonicMs()), () => {
      this.#computeTimer = undefined;
      this.#nextComputeMs = clock.monotonicMs() + minComputeIntervalMs;
      this.#working = this.#working.then(() => this.#compute());
    });
  }

  async #compute(): Promise<void> {
    const topics = this.#topics.values();
    const leaf = this.#leaf;
    if (this.#isClosed || !topics.isComplete || leaf === undefined) return;
    try {
      const identity = await writeIdentityFiles(this.#options.directory, { leaf, roots: topics.roots });
      if (this.#isClosed) return;
      const result = computeProxyConfig(
        {
          sidecar: this.#sidecar,
          trustDomain: topics.roots.trustDomain,
          datacenter: this.#options.datacenter,
          nodeZone: this.#options.zone,
          bindAddress: this.#options.admin.bindAddress,
          adminAddress: adminAddress(this.#sidecar, this.#options.admin),
          identity,
          intentions: topics.intentions,
          serviceConfig: topics.serviceConfig,
          upstreams: topics.upstreams,
        },
        this.#reader,
      );
      this.#reportProblems(result.problems);
      if (result.ok) this.#channel.offer(result.config, result.authors);
    } catch (thrown) {
      const error = errorMessage(thrown);
      this.#logger.error("cannot write the proxy's files, trying again", { proxy: this.#sidecar.ID, error });
      this.#nextComputeMs = this.#options.runtime.clock.monotonicMs() + retryAfterErrorMs;
      this.#schedule();
    }
  }

  async #prune(): Promise<void> {
    try {
      await pruneIdentityFiles(this.#options.directory, this.#channel.identitiesInUse());
    } catch (thrown) {
      const error = errorMessage(thrown);
      this.#logger.warn("cannot remove old certificate files", { proxy: this.#sidecar.ID, error });
    }
  }

  #reportProblems(problems: readonly string[]): void {
    const text = problems.join("; ");
    if (text !== this.#problems && text !== "") {
      this.#logger.warn("part of a sidecar's registration cannot be honoured", {
        proxy: this.#sidecar.ID,
        problems: text,
      });
    }
    this.#problems = text;
  }

  #warnIncomplete(): void {
    const topics = this.#topics.values();
    const missing = [...(topics.isComplete ? [] : topics.missing), ...(this.#leaf === undefined ? ["leaf"] : [])];
    if (missing.length === 0) return;
    this.#logger.warn("no configuration for the proxy yet, it keeps what it has", {
      proxy: this.#sidecar.ID,
      waitingFor: missing.join(" "),
    });
  }
}
