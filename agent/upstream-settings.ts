import type { Upstream } from "../lib/contract/catalog.ts";
import type { Protocol, ResolvedServiceConfig } from "../lib/contract/config-entries.ts";
import { largestConnections, largestMilliseconds } from "../lib/contract/proxy-config.ts";
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

/**
 * The registration of an upstream over the `UpstreamConfig` of the service that calls it, as Consul merges them: defaults, overrides,
 * registration. `registration` is the author's name of the last; `caller` are the settings of
 * the service, undefined while they are not known.
 */
export function saidOfUpstream(
  upstream: Upstream,
  caller: ResolvedServiceConfig | undefined,
  registration: string,
): SaidOfUpstream {
  const service = upstream.DestinationName;
  const reading = readUpstreamSettings(upstream.Config);
  const { protocol, connectTimeoutMs, maxConnections } = reading.settings;
  const own = `${registration}: upstream ${service}`;
  const parts = upstreamParts(caller?.upstreamConfig, service).map(({ author, said }) => ({
    author: `service-defaults of ${caller?.service}: ${author}`,
    said,
  }));
  const bounded = (value: number, largest: number): number => Math.min(value, largest);
  const central = parts.map(({ author, said }) => ({
    ...(said.Protocol !== "" && { protocol: { value: said.Protocol, author: `${author}.Protocol` } }),
    ...(said.ConnectTimeoutMs > 0 && {
      connectTimeoutMs: {
        value: bounded(said.ConnectTimeoutMs, largestMilliseconds),
        author: `${author}.ConnectTimeoutMs`,
      },
    }),
    ...(said.MaxConnections > 0 && {
      maxConnections: {
        value: bounded(said.MaxConnections, largestConnections),
        author: `${author}.Limits.MaxConnections`,
      },
    }),
  }));
  return {
    ...Object.assign({}, ...central),
    ...(protocol !== undefined && { protocol: { value: protocol, author: `${own}: protocol` } }),
    ...(connectTimeoutMs !== undefined && {
      connectTimeoutMs: { value: connectTimeoutMs, author: `${own}: connect_timeout_ms` },
    }),
    ...(maxConnections !== undefined && {
      maxConnections: { value: maxConnections, author: `${own}: limits.max_connections` },
    }),
    problems: settingsProblems(`upstream "${service}": Config`, reading),
  };
}
