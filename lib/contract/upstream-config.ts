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
}

/** The parts that speak of one upstream, the stronger one last. `author` is where in the entry each is. */
export function upstreamParts(
  config: UpstreamConfig | undefined,
  upstream: string,
): readonly { readonly author: string; readonly said: UpstreamDefaults }[] {
  if (config === undefined) return [];
  const override = config.Overrides.findIndex(({ Name }) => Name === upstream);
  const said = config.Overrides[override];
  return [
    ...(config.Defaults === undefined ? [] : [{ author: "UpstreamConfig.Defaults", said: config.Defaults }]),
    ...(said === undefined ? [] : [{ author: `UpstreamConfig.Overrides[${override}]`, said }]),
  ];
}
