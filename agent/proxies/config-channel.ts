import { type Backoff, createBackoff } from "../../lib/base/backoff.ts";
import type { Timer } from "../../lib/base/clock.ts";
import type { Logger } from "../../lib/base/logger.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import type { EntryChange } from "../../lib/contract/proxy-config-reader.ts";
import type { SettingAuthors } from "../setting-authors.ts";
import type { ProxyConnection } from "./proxy-connection.ts";

/**
 * Brings the newest configuration of one proxy to the process that is connected at the moment, and keeps count of the
 * versions. A process may have been configured by an earlier agent, which counted for itself: numbers only ever grow.
 */
export interface ConfigChannel {
  /** Makes `config` the newest version, unless it is the same document by the same authors. */
  offer(config: ProxyConfig, authors: SettingAuthors): void;
  connect(connection: ProxyConnection): void;
  disconnect(connection: ProxyConnection): void;
  connection(): ProxyConnection | undefined;
  /** The newest configuration. */
  config(): ProxyConfig | undefined;
  /** False when the answer comes from a connection that is not the current one. */
  onApplied(connection: ProxyConnection, version: number): boolean;
  onRejected(connection: ProxyConnection, version: number, message: string): void;
  /** Newest version offered and newest version applied; 0 for none. */
  versions(): { readonly offered: number; readonly applied: number };
  /** The certificate files that the proxy may still have to read. */
  identitiesInUse(): readonly ProxyConfig["identity"][];
  close(): void;
}

export interface ConfigChannelOptions {
  readonly runtime: Runtime;
  readonly proxyId: string;
}

/** A configuration that the proxy could not apply (a port in use, say) is offered again after this long, then longer. */
const minRetryDelayMs = 1_000;
const maxRetryDelayMs = 30_000;
/** Versions sent and not yet answered whose files are kept; a proxy that is further behind gets the newest anyway. */
const maxUnanswered = 8;

interface Versioned {
  readonly version: number;
  readonly config: ProxyConfig;
  readonly authors: SettingAuthors;
  /** Of everything but the listeners, which are the same objects while they say the same. */
  readonly rest: string;
}

/** What has changed since another version. */
interface Difference {
  readonly base: number;
  readonly entries: readonly EntryChange[];
  readonly hasNewAuthors: boolean;
}

export function createConfigChannel(options: ConfigChannelOptions): ConfigChannel {
  return new Channel(options);
}

class Channel implements ConfigChannel {
  readonly #options: ConfigChannelOptions;
  readonly #logger: Logger;
  readonly #retryBackoff: Backoff;
  #connection: ProxyConnection | undefined;
  #current: Versioned | undefined;
  #unanswered: Versioned[] = [];
  #highestVersion = 0;
  #appliedVersion = 0;
  /** The last version that was sent, and to whom; undefined when it was refused. */
  #told: { readonly connection: ProxyConnection; readonly version: number } | undefined;
  /** The process that was told the current version by this agent. */
  #toldPid = 0;
  #retryTimer: Timer | undefined;

  constructor(options: ConfigChannelOptions) {
    this.#options = options;
    this.#logger = options.runtime.logger.child("proxy");
    this.#retryBackoff = createBackoff({
      minDelayMs: minRetryDelayMs,
      maxDelayMs: maxRetryDelayMs,
      random: options.runtime.random,
    });
  }

  offer(config: ProxyConfig, authors: SettingAuthors): void {
    const next = { config, authors, rest: JSON.stringify({ ...config, inbound: [], outbound: [] }) };
    const difference = this.#current === undefined ? undefined : differenceOf(this.#current, next);
    if (difference?.entries.length === 0 && !difference.hasNewAuthors) return;
    this.#push(this.#nextVersion(next), difference);
  }

  connect(connection: ProxyConnection): void {
    this.#connection = connection;
    this.#highestVersion = Math.max(this.#highestVersion, connection.version);
    const current = this.#current;
    if (current === undefined) return;
    if (connection.pid === this.#toldPid && connection.version === current.version) {
      this.#told = { connection, version: current.version };
      return;
    }
    // A number at or above ours comes from an earlier agent and means another document.
    this.#push(connection.version < current.version ? current : this.#nextVersion(current));
  }

  disconnect(connection: ProxyConnection): void {
    if (this.#connection === connection) this.#connection = undefined;
  }

  connection(): ProxyConnection | undefined {
    return this.#connection;
  }

  config(): ProxyConfig | undefined {
    return this.#current?.config;
  }

  onApplied(connection: ProxyConnection, version: number): boolean {
    if (connection !== this.#connection) return false;
    this.#logger.debug("the proxy applied its configuration", { proxy: this.#options.proxyId, version });
    this.#appliedVersion = version;
    this.#retryBackoff.reset();
    this.#unanswered = this.#unanswered.filter((candidate) => candidate.version >= version);
    return true;
  }

  onRejected(connection: ProxyConnection, version: number, message: string): void {
    this.#told = undefined;
    if (connection !== this.#connection || this.#current?.version !== version) return;
    const delayMs = Math.round(this.#retryBackoff.nextDelayMs());
    this.#logger.error("the proxy cannot apply its configuration and keeps the one before", {
      proxy: this.#options.proxyId,
      version,
      error: message,
      retryMs: delayMs,
    });
    this.#retryTimer?.cancel();
    this.#retryTimer = this.#options.runtime.clock.after(delayMs, () => {
      if (this.#current?.version === version) this.#push(this.#nextVersion(this.#current));
    });
  }

  versions(): { readonly offered: number; readonly applied: number } {
    return { offered: this.#current?.version ?? 0, applied: this.#appliedVersion };
  }

  identitiesInUse(): readonly ProxyConfig["identity"][] {
    const documents = this.#current === undefined ? this.#unanswered : [this.#current, ...this.#unanswered];
    return documents.map((document) => document.config.identity);
  }

  close(): void {
    this.#retryTimer?.cancel();
  }

  #nextVersion(document: Omit<Versioned, "version">): Versioned {
    this.#highestVersion += 1;
    return { ...document, version: this.#highestVersion };
  }

  /** `difference` is to the version before, and enough for a proxy that was told it and has not refused it. */
  #push(next: Versioned, difference?: Difference): void {
    this.#current = next;
    this.#retryTimer?.cancel();
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#toldPid = connection.pid;
    this.#unanswered = [...this.#unanswered, next].slice(-maxUnanswered);
    const told = this.#told;
    this.#told = { connection, version: next.version };
    const { version, config, authors: sources } = next;
    const knowsBase = told?.connection === connection && told.version === difference?.base;
    if (difference === undefined || !knowsBase || !connection.takesChanges) {
      connection.send({ type: "config", version, config, sources });
      return;
    }
    const { base, entries, hasNewAuthors } = difference;
    connection.send({ type: "changes", version, base, entries, ...(hasNewAuthors && { sources }) });
  }
}

/** Undefined when it is more than a few listeners that took the place of others. */
function differenceOf(before: Versioned, after: Omit<Versioned, "version">): Difference | undefined {
  const sides = ["inbound", "outbound"] as const;
  const isSameShape = sides.every((side) => before.config[side].length === after.config[side].length);
  if (!isSameShape || before.rest !== after.rest) return undefined;
  const entries = sides.flatMap((side) =>
    after.config[side].flatMap((value, index) => {
      const earlier = before.config[side][index];
      return value === earlier || JSON.stringify(value) === JSON.stringify(earlier) ? [] : [{ side, index, value }];
    }),
  );
  const hasNewAuthors = JSON.stringify(before.authors) !== JSON.stringify(after.authors);
  return { base: before.version, entries, hasNewAuthors };
}
