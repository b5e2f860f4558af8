import { formatDurationMs } from "../lib/base/duration.ts";
import type { Upstream } from "../lib/contract/catalog.ts";
import type { Protocol, ResolvedServiceConfig } from "../lib/contract/config-entries.ts";
import { type OutlierSettings, readUpstreamSettings, settingsProblems } from "../lib/contract/proxy-settings.ts";
import { type UpstreamDefaults, upstreamParts } from "../lib/contract/upstream-config.ts";

/** A value and who said it, as a proxy prints it beside the value. */
export interface Said<T> {
  readonly value: T;
  readonly author: string;
}

/** One setting in a `service-defaults` entry, and in a registration. */
interface SettingName {
  readonly central: string;
  readonly own: string;
}

const protocolName: SettingName = { central: "Protocol", own: "protocol" };

/** What is said in numbers of a destination, by the document's names. */
const numberNames = {
  connectTimeoutMs: { central: "ConnectTimeoutMs", own: "connect_timeout_ms" },
  maxConnections: { central: "Limits.MaxConnections", own: "limits.max_connections" },
  maxPendingRequests: { central: "Limits.MaxPendingRequests", own: "limits.max_pending_requests" },
  maxRequests: { central: "Limits.MaxConcurrentRequests", own: "limits.max_concurrent_requests" },
} as const satisfies Readonly<Record<string, SettingName>>;

/** The same of its `outlierDetection`. */
const outlierNames: Readonly<Record<keyof OutlierSettings, SettingName>> = {
  intervalMs: checkName("Interval", "interval"),
  consecutive5xx: checkName("MaxFailures", "max_failures"),
  enforcingConsecutive5xx: checkName("EnforcingConsecutive5xx", "enforcing_consecutive_5xx"),
  maxEjectionPercent: checkName("MaxEjectionPercent", "max_ejection_percent"),
  baseEjectionTimeMs: checkName("BaseEjectionTime", "base_ejection_time"),
};

function checkName(central: string, own: string): SettingName {
  return { central: `PassiveHealthCheck.${central}`, own: `passive_health_check.${own}` };
}

type SaidNumbers = ReadonlyMap<string, Said<number>>;

/** What is said of one upstream, by whom; absent is what nobody said. */
export interface SaidOfUpstream {
  readonly protocol?: Said<Protocol>;
  /** By the document's names. */
  readonly numbers: SaidNumbers;
  /** Present, outlier detection is on, even where nothing more is said. */
  readonly outlierDetection?: SaidNumbers;
  readonly problems: readonly string[];
}

/** One of those who speak of an upstream, in the words of a registration. */
interface Speaker {
  readonly config: Readonly<Record<string, unknown>>;
  /** For what cannot be used. */
  readonly where: string;
  readonly authorOf: (setting: SettingName) => string;
}

/**
 * The registration of an upstream over the `UpstreamConfig` of the service that calls it, as Consul merges them: defaults, overrides,
 * registration. `registration` is the author's name of the last; `caller` are the settings of the service, undefined while they
 * are not known.
 */
export function saidOfUpstream(
  upstream: Upstream,
  caller: ResolvedServiceConfig | undefined,
  registration: string,
): SaidOfUpstream {
  let said: SaidOfUpstream = { numbers: new Map(), problems: [] };
  for (const { config, where, authorOf } of speakers(upstream, caller, registration)) {
    const reading = readUpstreamSettings(config);
    const { protocol, outlierDetection, ...numbers } = reading.settings;
    said = {
      ...said,
      ...(protocol !== undefined && { protocol: { value: protocol, author: authorOf(protocolName) } }),
      numbers: over(said.numbers, numbers, numberNames, authorOf),
      ...(outlierDetection !== undefined && {
        outlierDetection: over(said.outlierDetection, { ...outlierDetection }, outlierNames, authorOf),
      }),
      problems: [...said.problems, ...settingsProblems(where, reading)],
    };
  }
  return said;
}

/** The values alone, for the document. */
export function saidValues(numbers: SaidNumbers): Readonly<Record<string, number>> {
  return Object.fromEntries([...numbers].map(([name, { value }]) => [name, value]));
}

function over(
  weaker: SaidNumbers | undefined,
  given: Readonly<Record<string, number | undefined>>,
  names: Readonly<Record<string, SettingName>>,
  authorOf: Speaker["authorOf"],
): SaidNumbers {
  const merged = new Map(weaker);
  for (const [name, setting] of Object.entries(names)) {
    const value = given[name];
    if (value !== undefined) merged.set(name, { value, author: authorOf(setting) });
  }
  return merged;
}

/** The strongest one last. */
function speakers(
  upstream: Upstream,
  caller: ResolvedServiceConfig | undefined,
  registration: string,
): readonly Speaker[] {
  const service = upstream.DestinationName;
  const central = upstreamParts(caller?.upstreamConfig, service).map(({ author, said }): Speaker => {
    const name = `service-defaults of ${caller?.service}: ${author}`;
    return { config: registrationWords(said), where: name, authorOf: (setting) => `${name}.${setting.central}` };
  });
  const own = `${registration}: upstream ${service}`;
  return [
    ...central,
    {
      config: upstream.Config,
      where: `upstream "${service}": Config`,
      authorOf: (setting) => `${own}: ${setting.own}`,
    },
  ];
}

function registrationWords(said: UpstreamDefaults): Readonly<Record<string, unknown>> {
  const { PassiveHealthCheck: check } = said;
  return {
    protocol: said.Protocol,
    connect_timeout_ms: said.ConnectTimeoutMs,
    limits: {
      max_connections: said.MaxConnections,
      max_pending_requests: said.MaxPendingRequests,
      max_concurrent_requests: said.MaxConcurrentRequests,
    },
    ...(check !== undefined && {
      passive_health_check: {
        interval: formatDurationMs(check.IntervalMs),
        max_failures: check.MaxFailures,
        enforcing_consecutive_5xx: check.EnforcingConsecutive5xx,
        max_ejection_percent: check.MaxEjectionPercent,
        base_ejection_time: formatDurationMs(check.BaseEjectionTimeMs),
      },
    }),
  };
}
