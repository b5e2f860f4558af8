import { type Protocol, protocols } from "./config-entries.ts";
import { largestConnections, largestMilliseconds, largestWorkers } from "./proxy-config.ts";
import { largestHeadBytes } from "./proxy-limits.ts";
import { type MetricName, metricNames } from "./proxy-telemetry.ts";
import { formatIssues, type SchemaIssue } from "./schema-issues.ts";

/**
 * The settings of `Proxy.Config`, of an upstream's `Config` and of the `proxy-defaults` entry's that mean something to our
 * proxy: Consul's names and, for drain, workers, golden metrics and the admin address, our own. All other keys are other proxies' and nobody reads them. As Consul
 * does, numbers may be written as text, and 0 is the same as nothing. What has an issue is refused where it is written;
 * where it is read, the default stands in its place.
 */
type Settings = Readonly<Record<string, unknown>>;

export interface ProxySettings {
  readonly protocol: Protocol | undefined;
  readonly bindAddress: string | undefined;
  readonly bindPort: number | undefined;
  readonly adminBindAddress: string | undefined;
  readonly adminBindPort: number | undefined;
  readonly localConnectTimeoutMs: number | undefined;
  readonly localRequestTimeoutMs: number | undefined;
  readonly localIdleTimeoutMs: number | undefined;
  readonly maxInboundConnections: number | undefined;
  readonly maxHeadBytes: number | undefined;
  readonly drainTimeoutMs: number | undefined;
  readonly workers: number | "auto" | undefined;
  readonly metricNames: readonly MetricName[] | undefined;
}

/** Of `proxy-defaults`, those that no other entry says anything about: agents get them as they are. */
export const meshWideSettings = [
  "local_idle_timeout_ms",
  "max_request_headers_kb",
  "drain_timeout_ms",
  "workers",
  "metric_names",
] as const;

export interface UpstreamSettings {
  readonly protocol: Protocol | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly maxConnections: number | undefined;
}

/** `issues` are values that cannot be used, `notes` say what is used instead of one that is understood. */
export interface SettingsReading<T> {
  readonly settings: T;
  readonly issues: readonly SchemaIssue[];
  readonly notes: readonly string[];
}

export function readProxySettings(config: Settings): SettingsReading<ProxySettings> {
  const reader = new SettingsReader(config, "");
  const kibibytes = reader.number("max_request_headers_kb", largestHeadBytes / 1024);
  const settings: ProxySettings = {
    protocol: reader.protocol(),
    bindAddress: reader.text("bind_address"),
    bindPort: reader.port("bind_port"),
    adminBindAddress: reader.text("admin_bind_address"),
    adminBindPort: reader.port("admin_bind_port"),
    localConnectTimeoutMs: reader.number("local_connect_timeout_ms", largestMilliseconds),
    localRequestTimeoutMs: reader.number("local_request_timeout_ms", largestMilliseconds),
    localIdleTimeoutMs: reader.numberOrOff("local_idle_timeout_ms", largestMilliseconds),
    maxInboundConnections: reader.number("max_inbound_connections", largestConnections),
    maxHeadBytes: kibibytes === undefined ? undefined : kibibytes * 1024,
    drainTimeoutMs: reader.number("drain_timeout_ms", largestMilliseconds),
    workers: config["workers"] === "auto" ? "auto" : reader.number("workers", largestWorkers, '"auto" or '),
    metricNames: reader.choices("metric_names", metricNames),
  };
  return { settings, issues: reader.issues, notes: reader.notes };
}

export function readUpstreamSettings(config: Settings): SettingsReading<UpstreamSettings> {
  const reader = new SettingsReader(config, "");
  const limits = new SettingsReader(reader.map("limits"), "limits.");
  const settings: UpstreamSettings = {
    protocol: reader.protocol(),
    connectTimeoutMs: reader.number("connect_timeout_ms", largestMilliseconds),
    maxConnections: limits.number("max_connections", largestConnections),
  };
  return {
    settings,
    issues: [...reader.issues, ...limits.issues],
    notes: [...reader.notes, ...limits.notes],
  };
}

/** Everything that a reading has to say, for a log line; `where` is the path of its map. */
export function settingsProblems(where: string, { issues, notes }: SettingsReading<unknown>): string[] {
  const sentences = [...issues.map((issue) => formatIssues([issue])), ...notes];
  return sentences.map((sentence) => `${where}.${sentence}`);
}

class SettingsReader {
  readonly issues: SchemaIssue[] = [];
  readonly notes: string[] = [];
  readonly #config: Settings;
  readonly #prefix: string;

  constructor(config: Settings, prefix: string) {
    this.#config = config;
    this.#prefix = prefix;
  }

  protocol(): Protocol | undefined {
    const given = this.text("protocol");
    const known = protocols.find((protocol) => protocol === given?.toLowerCase());
    if (given !== undefined && known === undefined) this.#refuse("protocol", `one of ${protocols.join(", ")}`);
    return known;
  }

  text(key: string): string | undefined {
    const given = this.#config[key];
    if (given === undefined || given === null || given === "") return undefined;
    if (typeof given === "string") return given;
    this.#refuse(key, "text");
    return undefined;
  }

  /** Some of `known`, each once. */
  choices<T extends string>(key: string, known: readonly T[]): readonly T[] | undefined {
    const given = this.#config[key];
    if (given === undefined || given === null) return undefined;
    const list: readonly unknown[] = Array.isArray(given) ? given : [undefined];
    const chosen = known.filter((one) => list.includes(one));
    if (list.length === chosen.length) return chosen;
    this.#refuse(key, `a list of ${known.join(", ")}, each once`);
    return undefined;
  }

  port(key: string): number | undefined {
    const port = this.#count(key, "a port from 1 to 65535");
    if (port === undefined || port <= 65_535) return port || undefined;
    this.#refuse(key, "a port from 1 to 65535");
    return undefined;
  }

  /** From 1 to `largest`, which stands for all that is more. */
  number(key: string, largest: number, alternative = ""): number | undefined {
    const given = this.#count(key, `${alternative}a whole number from 1 to ${largest}`);
    return given === undefined || given === 0 ? undefined : this.#bounded(key, given, largest);
  }

  /** As `number`, but for a setting that Consul takes 0 to turn off: the nearest to that is `largest`. */
  numberOrOff(key: string, largest: number): number | undefined {
    const given = this.#count(key, `a whole number from 1 to ${largest}`);
    if (given !== 0) return given === undefined ? undefined : this.#bounded(key, given, largest);
    this.notes.push(`${this.#prefix}${key}: it cannot be turned off; ${largest} is used instead of 0`);
    return largest;
  }

  map(key: string): Settings {
    const given = this.#config[key];
    if (typeof given === "object" && given !== null && !Array.isArray(given)) return { ...given };
    if (given !== undefined && given !== null) this.#refuse(key, "a map");
    return {};
  }

  #bounded(key: string, given: number, largest: number): number {
    if (given <= largest) return given;
    this.notes.push(`${this.#prefix}${key}: ${given} is more than ${largest}, which is used instead`);
    return largest;
  }

  #count(key: string, expected: string): number | undefined {
    const given = this.#config[key];
    if (given === undefined || given === null || given === "") return undefined;
    const count = typeof given === "string" && /^\d{1,15}$/.test(given) ? Number(given) : given;
    if (typeof count === "number" && Number.isSafeInteger(count) && count >= 0) return count;
    this.#refuse(key, expected);
    return undefined;
  }

  #refuse(key: string, expected: string): void {
    const found = JSON.stringify(this.#config[key]);
    this.issues.push({ path: `${this.#prefix}${key}`, message: `must be ${expected}, found ${found}` });
  }
}
