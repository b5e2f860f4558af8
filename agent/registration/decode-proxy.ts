import type { ConnectProxyFields, Upstream } from "../../lib/contract/catalog.ts";
import { readProxyExtras, readUpstreamExtras } from "../../lib/contract/proxy-registration.ts";
import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import { readProxySettings, readUpstreamSettings } from "../../lib/contract/proxy-settings.ts";
import { issuesUnder } from "./decode-result.ts";
import type { RawProxy, RawUpstream } from "./schemas.ts";

/** Where a sidecar finds its application, and where it listens for its own application's calls. */
export const localHost = "127.0.0.1";

/**
 * Reads a `Proxy` block whose shape is right; only fields that were given are in the result, since a sidecar derives the
 * others from its parent. Adds what is wrong to `issues`.
 */
export function readProxy(raw: RawProxy, issues: SchemaIssue[]): Partial<ConnectProxyFields> {
  issues.push(...issuesUnder("Config", readProxySettings(raw.Config ?? {}).issues));
  const upstreams = (raw.Upstreams ?? []).map((upstream, i) => readUpstream(upstream, `Upstreams[${i}]`, issues));
  refuseDuplicates(upstreams, issues);
  return {
    ...(raw.DestinationServiceName && { DestinationServiceName: raw.DestinationServiceName }),
    ...(raw.DestinationServiceID && { DestinationServiceID: raw.DestinationServiceID }),
    ...(raw.LocalServiceAddress && { LocalServiceAddress: raw.LocalServiceAddress }),
    ...(raw.LocalServicePort && { LocalServicePort: raw.LocalServicePort }),
    ...(raw.Config && { Config: raw.Config }),
    Upstreams: upstreams,
    ...readProxyExtras(raw),
  };
}

function readUpstream(raw: RawUpstream, path: string, issues: SchemaIssue[]): Upstream {
  const upstream: Upstream = {
    DestinationType: raw.DestinationType === "prepared_query" ? "prepared_query" : "service",
    DestinationName: raw.DestinationName ?? "",
    Datacenter: raw.Datacenter ?? "",
    LocalBindAddress: raw.LocalBindSocketPath ? "" : raw.LocalBindAddress || localHost,
    LocalBindPort: raw.LocalBindPort ?? 0,
    Config: raw.Config ?? {},
    ...readUpstreamExtras(raw),
  };
  if (upstream.DestinationName === "" || upstream.DestinationName === "*") {
    issues.push({
      path: `${path}.DestinationName`,
      message: "upstream destination name must be one service's name, not empty or a wildcard",
    });
  }
  if (raw.LocalBindSocketPath) {
    if (raw.LocalBindPort || raw.LocalBindAddress) {
      const message = "only one of LocalBindSocketPath and LocalBindAddress with LocalBindPort can be given";
      issues.push({ path: `${path}.LocalBindSocketPath`, message });
    }
  } else if (upstream.LocalBindPort === 0) {
    issues.push({ path: `${path}.LocalBindPort`, message: "upstream local bind port must be set, from 1 to 65535" });
  }
  issues.push(...issuesUnder(`${path}.Config`, readUpstreamSettings(upstream.Config).issues));
  return upstream;
}

/** One name in one datacenter is one upstream, and one address can be listened on once. */
function refuseDuplicates(upstreams: readonly Upstream[], issues: SchemaIssue[]): void {
  const byName = new Map<string, number>();
  const byAddress = new Map<string, number>();
  for (const [i, upstream] of upstreams.entries()) {
    const { DestinationType: type, DestinationPeer: peer = "" } = upstream;
    const name = `${type}:${upstream.DestinationName}?dc=${upstream.Datacenter}&peer=${peer}`;
    const earlierName = byName.get(name);
    if (earlierName !== undefined) {
      const message = `upstream "${upstream.DestinationName}" is the same as Upstreams[${earlierName}]: name each destination once`;
      issues.push({ path: `Upstreams[${i}].DestinationName`, message });
    }
    const address = upstream.LocalBindSocketPath ?? `${upstream.LocalBindAddress}:${upstream.LocalBindPort}`;
    const isBound = upstream.LocalBindPort !== 0 || upstream.LocalBindSocketPath !== undefined;
    const earlierAddress = isBound ? byAddress.get(address) : undefined;
    if (earlierAddress !== undefined) {
      const message = `${address} is already the local bind address of Upstreams[${earlierAddress}]: use another port`;
      issues.push({ path: `Upstreams[${i}].LocalBindPort`, message });
    }
    byName.set(name, i);
    byAddress.set(address, i);
  }
}
