import type { Protocol } from "./config-entries.ts";

/** What a service says of the calls that it makes: `UpstreamConfig` of its `service-defaults`. */
export interface UpstreamConfig {
  readonly Defaults?: UpstreamDefaults;
  /** Over the defaults, for the upstreams that they name. */
  readonly Overrides: readonly (UpstreamDefaults & { readonly Name: string })[];
}

/** An empty text and 0 say nothing. */
export interface UpstreamDefaults {
  readonly Protocol: Protocol | "";
  readonly ConnectTimeoutMs: number;
  readonly MaxConnections: number;
  readonly MaxPendingRequests?: number;
  readonly MaxConcurrentRequests?: number;
  /** Present turns outlier detection on, even where it says nothing. */
  readonly PassiveHealthCheck?: PassiveHealthCheck;
}

/** When an instance is left out for a while. What is absent or 0 is Envoy's default; a percentage of 0 is 0 where it is said. */
export interface PassiveHealthCheck {
  readonly IntervalMs: number;
  readonly MaxFailures: number;
  readonly EnforcingConsecutive5xx?: number;
  readonly MaxEjectionPercent?: number;
  readonly BaseEjectionTimeMs: number;
}

/**
 * The parts that speak of one upstream, the stronger one last. `author` is where in the entry each is. As in Consul the limits of an
 * override replace those of the defaults as a whole, and so does its passive health check.
 */
export function upstreamParts(
  config: UpstreamConfig | undefined,
  upstream: string,
): readonly { readonly author: string; readonly said: UpstreamDefaults }[] {
  if (config === undefined) return [];
  const override = config.Overrides.findIndex(({ Name }) => Name === upstream);
  const said = config.Overrides[override];
  return [
    ...(config.Defaults === undefined
      ? []
      : [{ author: "UpstreamConfig.Defaults", said: withoutReplaced(config.Defaults, said) }]),
    ...(said === undefined ? [] : [{ author: `UpstreamConfig.Overrides[${override}]`, said }]),
  ];
}

export function hasLimits({
  MaxConnections,
  MaxPendingRequests = 0,
  MaxConcurrentRequests = 0,
}: UpstreamDefaults): boolean {
  return MaxConnections + MaxPendingRequests + MaxConcurrentRequests > 0;
}

function withoutReplaced(defaults: UpstreamDefaults, override: UpstreamDefaults | undefined): UpstreamDefaults {
  if (override === undefined) return defaults;
  const { Protocol, ConnectTimeoutMs, PassiveHealthCheck } = defaults;
  const check = override.PassiveHealthCheck === undefined && PassiveHealthCheck !== undefined && { PassiveHealthCheck };
  if (!hasLimits(override)) {
    const { PassiveHealthCheck: _, ...rest } = defaults;
    return { ...rest, ...check };
  }
  return { Protocol, ConnectTimeoutMs, MaxConnections: 0, ...check };
}
