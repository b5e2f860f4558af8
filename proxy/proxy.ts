import { errorMessage } from "../lib/base/errors.ts";
import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import { listSettings, type SettingSources } from "../lib/contract/setting-sources.ts";
import { type AdminPages, createAdminListener } from "./admin/listener.ts";
import { TapPage, type TapSource } from "./admin/tap-page.ts";
import type { Member } from "./connection-set.ts";
import { DataPlane, type DataPlaneOptions } from "./data-plane.ts";
import { textReply } from "./exchange/local-reply.ts";
import type { LocalReply } from "./exchange/policy.ts";
import type { Serving } from "./serving.ts";
import { type Family, expositionContentType, renderFamilies } from "./telemetry/exposition.ts";
import { mergeFamilies } from "./telemetry/merge-families.ts";

export interface ProxyOptions extends DataPlaneOptions {
  /** `/drain` was asked for. */
  readonly onDrainRequested: () => void;
  /** `/restart` was asked for: a new process shall take over. */
  readonly onRestartRequested: () => void;
  /** The other processes of this proxy. */
  readonly workers?: ProxyWorkers;
}

/** Processes that serve the same configuration on the same addresses as this one. */
export interface ProxyWorkers extends TapSource {
  /** `ports` are those that this process was given where the configuration asks for any. */
  apply(config: ProxyConfig, version: number, ports: Readonly<Record<string, number>>): void;
  /** Resolves when all serve the configuration, or have had their time for it. */
  ready(): Promise<void>;
  /** The metrics of each, for the listeners in `own`; one that does not answer counts with its last ones. */
  families(own: readonly Family[]): Promise<readonly (readonly Family[])[]>;
  /** Resolves when all have ended. */
  drain(deadlineMs: number): Promise<void>;
  stop(): void;
}

/**
 * One proxy: its traffic, its admin address and, where there are any, its workers. A configuration is applied whole or not at
 * all.
 */
export class MeshProxy {
  readonly #options: ProxyOptions;
  readonly #plane: DataPlane;
  readonly #admin: Serving<Member>;
  #config: ProxyConfig;
  #sources: SettingSources = () => "unknown";
  #state: "serving" | "draining" | "stopped" = "serving";

  /** Throws an `AtollError` when the identity or an address cannot be used; nothing stays bound then. */
  constructor(options: ProxyOptions, config: ProxyConfig, version = 0, sources?: SettingSources) {
    this.#options = options;
    this.#config = config;
    this.#plane = new DataPlane(options, config);
    this.#admin = createAdminListener(this.#plane.context, { listen: config.admin.listen, pages: this.#pages() });
    try {
      this.#admin.listen();
      this.apply(config, version, sources);
    } catch (thrown) {
      this.#plane.stop();
      this.#admin.destroy();
      throw thrown;
    }
    this.#plane.onSweep((nowMs) => this.#admin.sweep(nowMs));
  }

  get version(): number {
    return this.#plane.version;
  }

  get config(): ProxyConfig {
    return this.#config;
  }

  get adminPort(): number {
    return this.#admin.port;
  }

  /** Ports in force by listen address, for configurations that ask for port 0. */
  portOf(listen: string): number | undefined {
    return this.#plane.ports()[listen];
  }

  /**
   * Replaces the configuration without touching a connection that it still covers. Throws an `AtollError` and changes
   * nothing when the identity cannot be used or a new address not be bound. A changed admin address is not followed, nor
   * another number of workers. `sources` say whose its values are.
   */
  apply(config: ProxyConfig, version: number, sources?: SettingSources): void {
    this.#plane.apply(config, version);
    this.#config = config;
    if (sources !== undefined) this.#sources = sources;
    this.#options.workers?.apply(config, version, this.#plane.ports());
  }

  /** Resolves when the workers serve too, as far as they can: the proxy is whole. */
  async ready(): Promise<void> {
    await this.#options.workers?.ready();
  }

  /** Stops accepting, lets what is under way finish, and resolves when all is done or the deadline has passed. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state === "serving") this.#state = "draining";
    // A successor answers there from now on; without one it is of use until the end.
    if (this.#admin.isShared) this.#admin.drain(deadlineMs);
    await Promise.all([this.#plane.drain(deadlineMs), this.#options.workers?.drain(deadlineMs)]);
  }

  /** Closes everything at once. */
  stop(): void {
    this.#state = "stopped";
    this.#plane.stop();
    this.#admin.destroy();
    this.#options.workers?.stop();
  }

  #pages(): AdminPages {
    const { workers } = this.#options;
    const tap = new TapPage({
      sources: [this.#plane.context.telemetry.tap, ...(workers === undefined ? [] : [workers])],
      maxReaders: () => this.#config.telemetry.tap.maxReaders,
    });
    return {
      tap: (head, query) => tap.answer(head, query),
      metrics: () => this.#metricsPage(),
      ready: () => this.#readyPage(),
      config: () => jsonReply({ ...this.#versions, config: this.#config }),
      settings: () => jsonReply({ ...this.#versions, settings: listSettings(this.#config, this.#sources) }),
      drain: () => {
        this.#options.onDrainRequested();
        return textReply(200, "draining");
      },
      restart: () => {
        this.#options.onRestartRequested();
        return textReply(200, "a new process takes over");
      },
    };
  }

  get #versions(): { readonly version: number; readonly workers: number } {
    return { version: this.version, workers: this.#options.processes };
  }

  #readyPage(): LocalReply {
    if (this.#state !== "serving") return textReply(503, this.#state);
    return this.#plane.isExpired ? textReply(503, "the leaf certificate has expired") : textReply(200, "ready");
  }

  #metricsPage(): LocalReply | Promise<LocalReply> {
    const { workers } = this.#options;
    const own = this.#plane.families();
    if (workers === undefined) return metricsReply(mergeFamilies(own, []));
    return workers.families(own).then((others) => metricsReply(mergeFamilies(own, others)));
  }
}

function metricsReply(families: readonly Family[]): LocalReply {
  return { action: "reply", status: 200, contentType: expositionContentType, body: renderFamilies(families) };
}

function jsonReply(value: unknown): LocalReply {
  return {
    action: "reply",
    status: 200,
    contentType: "application/json",
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}

/** The line logged when a new configuration is refused: what stands stays in force. */
export function rejectionMessage(thrown: unknown): string {
  return `configuration refused, the previous one stays in force: ${errorMessage(thrown)}`;
}
