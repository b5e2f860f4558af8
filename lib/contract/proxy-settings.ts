import { parseDurationMs } from "../base/duration.ts";
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
  readonly maxPendingRequests: number | undefined;
  readonly maxRequests: number | undefined;
  /** Present where there is a `passive_health_check`, whatever is in it: it turns outlier detection on. */
  readonly outlierDetection: OutlierSettings | undefined;
}

/** Of the document's `outlierDetection`, those that Consul has a name for. */
export interface OutlierSettings {
  readonly intervalMs: number | undefined;
  readonly consecutive5xx: number | undefined;
  readonly enforcingConsecutive5xx: number | undefined;
  readonly maxEjectionPercent: number | undefined;
  readonly baseEjectionTimeMs: number | undefined;
}

/** Upper bound of the document's limits of requests and of failures. */
const largestCount = 1_000_000_000;
const shortestIntervalMs = 100;

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
  const check = new SettingsReader(reader.map("passive_health_check"), "passive_health_check.");
  const settings: UpstreamSettings = {
    protocol: reader.protocol(),
    connectTimeoutMs: reader.number("connect_timeout_ms", largestMilliseconds),
    maxConnections: limits.number("max_connections", largestConnections),
    maxPendingRequests: limits.number("max_pending_requests", largestCount),
    maxRequests: limits.number("max_concurrent_requests", largestCount),
    outlierDetection: reader.has("passive_health_check") ? outlierSettings(check) : undefined,
  };
  const readers = [reader, limits, check];
  return {
    settings,
    issues: readers.flatMap(({ issues }) => issues),
    notes: readers.flatMap(({ notes }) => notes),
  };
}

function outlierSettings(check: SettingsReader): OutlierSettings {
  return {
    intervalMs: check.duration("interval", shortestIntervalMs, largestMilliseconds),
    consecutive5xx: check.number("max_failures", largestCount),
    enforcingConsecutive5xx: check.percent("enforcing_consecutive_5xx"),
    maxEjectionPercent: check.percent("max_ejection_percent"),
    baseEjectionTimeMs: check.duration("base_ejection_time", 1, largestMilliseconds),
  };
}

/** Everything that a reading has to say, for a log line; `where` is the path of its map. */
export function settingsProblems(where: string, { issues, notes }: SettingsReading<unknown>): string[] {
  const sentences = [...issues.map((issue) => formatIssues([issue])), ...notes];
  return sentences.map((sentence) => `${where}.${sentence}`);
}

const nanosecondsPerMs = 1e6;

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

  /** From 0 to 100, of which 0 is not the same as nothing. */
  percent(key: string): number | undefined {
    const given = this.#count(key, "a percentage from 0 to 100");
    if (given === undefined || given <= 100) return given;
    this.#refuse(key, "a percentage from 0 to 100");
    return undefined;
  }

  /** Whole milliseconds of a text such as `10s` or of nanoseconds; 0 is the same as nothing. */
  duration(key: string, smallestMs: number, largestMs: number): number | undefined {
    const given = this.#config[key];
    if (given === undefined || given === null || given === "" || given === 0) return undefined;
    const ms = typeof given === "number" ? given / nanosecondsPerMs : parseDurationMs(String(given));
    if (ms === 0) return undefined;
    if (ms === undefined || !(Math.ceil(ms) >= smallestMs)) {
      this.#refuse(key, `a duration such as "10s", of ${smallestMs}ms at least`);
      return undefined;
    }
    return this.#bounded(key, Math.ceil(ms), largestMs);
  }

  has(key: string): boolean {
    const given = this.#config[key];
    return typeof given === "object" && given !== null && !Array.isArray(given);
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
