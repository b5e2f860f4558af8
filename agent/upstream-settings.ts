import type { Upstream } from "../lib/contract/catalog.ts";
import type { Protocol, ResolvedServiceConfig } from "../lib/contract/config-entries.ts";
import { readUpstreamSettings, settingsProblems } from "../lib/contract/proxy-settings.ts";
import { upstreamParts } from "../lib/contract/upstream-config.ts";

/** A value and who said it, as a proxy prints it beside the value. */
export interface Said<T> {
  readonly value: T;
  readonly author: string;
}

/** What is said of one upstream, by whom; absent is what nobody said. */
export interface SaidOfUpstream {
  readonly protocol?: Said<Protocol>;
  readonly connectTimeoutMs?: Said<number>;
  readonly maxConnections?: Said<number>;
  readonly problems: readonly string[];
}

/** One of those who speak of an upstream, in the words of a registration. */
interface Speaker {
  readonly config: Readonly<Record<string, unknown>>;
  /** For what cannot be used. */
  readonly where: string;
  readonly authors: { readonly protocol: string; readonly connectTimeoutMs: string; readonly maxConnections: string };
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
  const readings = speakers(upstream, caller, registration).map(({ config, where, authors }) => {
    const reading = readUpstreamSettings(config);
    const { protocol, connectTimeoutMs, maxConnections } = reading.settings;
    return {
      said: {
        ...(protocol !== undefined && { protocol: { value: protocol, author: authors.protocol } }),
        ...(connectTimeoutMs !== undefined && {
          connectTimeoutMs: { value: connectTimeoutMs, author: authors.connectTimeoutMs },
        }),
        ...(maxConnections !== undefined && {
          maxConnections: { value: maxConnections, author: authors.maxConnections },
        }),
      },
      problems: settingsProblems(where, reading),
    };
  });
  let merged: Omit<SaidOfUpstream, "problems"> = {};
  for (const { said } of readings) merged = { ...merged, ...said };
  return {
    ...merged,
    problems: readings.flatMap(({ problems }) => problems),
  };
}

/** The strongest one last. */
function speakers(
  upstream: Upstream,
  caller: ResolvedServiceConfig | undefined,
  registration: string,
): readonly Speaker[] {
  const service = upstream.DestinationName;
  const central = upstreamParts(caller?.upstreamConfig, service).map(({ author, said }) => {
    const name = `service-defaults of ${caller?.service}: ${author}`;
    return {
      config: {
        protocol: said.Protocol,
        connect_timeout_ms: said.ConnectTimeoutMs,
        limits: { max_connections: said.MaxConnections },
      },
      where: name,
      authors: {
        protocol: `${name}.Protocol`,
        connectTimeoutMs: `${name}.ConnectTimeoutMs`,
        maxConnections: `${name}.Limits.MaxConnections`,
      },
    };
  });
  const own = `${registration}: upstream ${service}`;
  return [
    ...central,
    {
      config: upstream.Config,
      where: `upstream "${service}": Config`,
      authors: {
        protocol: `${own}: protocol`,
        connectTimeoutMs: `${own}: connect_timeout_ms`,
        maxConnections: `${own}: limits.max_connections`,
      },
    },
  ];
}
