import { connect, type Socket } from "node:net";
import { type Backoff, createBackoff } from "../../lib/base/backoff.ts";
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseJsonText } from "../../lib/base/json-file.ts";
import { createLineReader } from "../../lib/base/line-reader.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { maxSocketLineBytes, type ProxyToAgent } from "../../lib/contract/agent-socket.ts";
import type { ProxyConfig, ProxyConfigParse } from "../../lib/contract/proxy-config.ts";
import { type EntryChange, ProxyConfigReader } from "../../lib/contract/proxy-config-reader.ts";
import { formatIssues } from "../../lib/contract/schema-issues.ts";
import { type SettingSources, sourcesByPath } from "../../lib/contract/setting-sources.ts";

export interface AgentSourceOptions {
  readonly runtime: Runtime;
  readonly socketPath: string;
  readonly proxyId: string;
  readonly pid: number;
  /** What this executable was built from. */
  readonly revision: string;
  /** Version of the configuration in force; 0 before the first. */
  readonly version: () => number;
  /** Applies a configuration at once; throws when it is refused. Resolves when every process of the proxy serves it. */
  readonly apply: (config: ProxyConfig, version: number, sources?: SettingSources) => Promise<void>;
  readonly onStop: (drainMs: number) => void;
  /** The connection to the agent was lost after it had stood. */
  readonly onAgentLost: () => void;
}

/**
 * The proxy's end of the agent's unix socket: dials, says hello, applies what comes, reports what became of it. Without
 * an agent the proxy goes on with what it has, and dials again with backoff.
 */
export class AgentSource {
  readonly #options: AgentSourceOptions;
  readonly #backoff: Backoff;
  readonly #reader = new ProxyConfigReader();
  /** The version of the document that the reader has; -1 when that is not the one in force. */
  #readVersion = -1;
  #socket: Socket | undefined;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: AgentSourceOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ minDelayMs: 100, maxDelayMs: 5_000, random: options.runtime.random });
    this.#dial();
  }

  /** Asks the agent for a new process that takes over from this one. */
  askForReplacement(): void {
    this.#send({ type: "replace" });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#socket?.destroy();
  }

  #dial(): void {
    const { proxyId, pid, revision, socketPath, version } = this.#options;
    const socket = connect(socketPath);
    this.#socket = socket;
    let wasConnected = false;
    const reader = createLineReader({
      maxLineBytes: maxSocketLineBytes,
      onLine: (line) => this.#onLine(line),
      onTooLong: () => socket.destroy(),
    });
    socket.on("connect", () => {
      wasConnected = true;
      this.#backoff.reset();
      this.#send({ type: "hello", proxyId, pid, revision, version: version(), takesChanges: true });
    });
    socket.on("data", (chunk) => reader.push(Buffer.from(chunk)));
    // The close that follows says everything: there is one way on, to dial again.
    socket.on("error", () => undefined);
    socket.on("close", () => this.#onClose(wasConnected));
  }

  #onClose(wasConnected: boolean): void {
    if (this.#isStopped) return;
    if (wasConnected) {
      this.#options.runtime.logger.warn("agent connection lost: serving from the last configuration");
      this.#options.onAgentLost();
    }
    if (this.#isStopped) return;
    this.#timer = this.#options.runtime.clock.after(this.#backoff.nextDelayMs(), () => this.#dial());
  }

  #onLine(line: string): void {
    const parsed = parseJsonText(line);
    const message = parsed.ok ? asRecord(parsed.value) : {};
    const { version } = message;
    if (message["type"] === "stop" && typeof message["drainMs"] === "number") {
      this.#options.onStop(message["drainMs"]);
    } else if (message["type"] === "config" && typeof version === "number") {
      this.#onConfig(version, message["config"], message["sources"]);
    } else if (message["type"] === "changes" && typeof version === "number") {
      this.#onChanges(version, message);
    } else {
      this.#options.runtime.logger.warn("unknown message from the agent ignored");
    }
  }

  #onConfig(version: number, document: unknown, authors: unknown): void {
    if (version === this.#options.version()) {
      this.#send({ type: "applied", version });
      return;
    }
    this.#apply(version, this.#reader.read(document), sourcesOf(authors));
  }

  #onChanges(version: number, { base, entries, sources }: Partial<Record<string, unknown>>): void {
    const inForce = this.#options.version();
    if (base !== inForce || base !== this.#readVersion || !Array.isArray(entries) || !entries.every(isEntryChange)) {
      this.#reject(version, `changes of version ${JSON.stringify(base)}, but ${inForce} is in force`);
      return;
    }
    this.#apply(version, this.#reader.readChanges(entries), sources === undefined ? undefined : sourcesOf(sources));
  }

  #apply(version: number, parsed: ProxyConfigParse, sources: SettingSources | undefined): void {
    this.#readVersion = -1;
    if (!parsed.ok) {
      this.#reject(version, formatIssues(parsed.issues));
      return;
    }
    const applied = this.#options.apply(parsed.config, version, sources);
    if (this.#options.version() === version) this.#readVersion = version;
    applied.then(
      () => this.#send({ type: "applied", version }),
      (thrown: unknown) => this.#reject(version, errorMessage(thrown)),
    );
  }

  #reject(version: number, message: string): void {
    this.#options.runtime.logger.error("configuration refused, the previous one stays in force", { version, message });
    this.#send({ type: "rejected", version, message });
  }

  #send(message: ProxyToAgent): void {
    this.#socket?.write(`${JSON.stringify(message)}\n`);
  }
}

function isEntryChange(value: unknown): value is EntryChange {
  const { side, index } = asRecord(value);
  return (side === "inbound" || side === "outbound") && typeof index === "number";
}

function asRecord(value: unknown): Partial<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** An agent of an earlier build does not say whose the values are; its documents are complete, so nothing is a default. */
function sourcesOf(authors: unknown): SettingSources {
  if (typeof authors !== "object" || authors === null) return () => "agent";
  const texts = Object.entries(authors).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return sourcesByPath(Object.fromEntries(texts));
}
