import type { ConnectProxyFields, Upstream } from "../../lib/contract/catalog.ts";
import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import { readProxySettings, readUpstreamSettings } from "../../lib/contract/proxy-settings.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { issuesUnder } from "./decode-result.ts";
import type { RawProxy, RawUpstream } from "./schemas.ts";

/** Where a sidecar finds its application, and where it listens for its own application's calls. */
export const localHost = "127.0.0.1";

/**
 * Reads a `Proxy` block whose shape is right; only fields that were given are in the result, since a sidecar derives the
 * others from its parent. Adds what is wrong to `issues`.
 */
export function readProxy(raw: RawProxy, issues: SchemaIssue[]): Partial<ConnectProxyFields> {
  refuseUnsupported(raw, issues);
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
  };
}

function refuseUnsupported(raw: RawProxy, issues: SchemaIssue[]): void {
  if (raw.Mode !== undefined && raw.Mode !== "" && raw.Mode !== "direct") {
    const message = `only "direct" is supported by this version, found ${JSON.stringify(raw.Mode)}`;
    issues.push({ path: "Mode", message });
  }
  if (isGiven(raw.LocalServiceSocketPath)) {
    issues.push({ path: "LocalServiceSocketPath", message: "is not supported by this version; use LocalServicePort" });
  }
  if (isGiven(raw.TransparentProxy) || hasExposedPaths(raw.Expose)) {
    const path = isGiven(raw.TransparentProxy) ? "TransparentProxy" : "Expose";
    issues.push({ path, message: "is not supported by this version" });
  }
  refuseGateway("MeshGateway", raw.MeshGateway?.Mode, issues);
}

function readUpstream(raw: RawUpstream, path: string, issues: SchemaIssue[]): Upstream {
  const upstream: Upstream = {
    DestinationType: raw.DestinationType === "prepared_query" ? "prepared_query" : "service",
    DestinationName: raw.DestinationName ?? "",
    Datacenter: raw.Datacenter ?? "",
    LocalBindAddress: raw.LocalBindAddress || localHost,
    LocalBindPort: raw.LocalBindPort ?? 0,
    Config: raw.Config ?? {},
  };
  if (upstream.DestinationType === "prepared_query") {
    issues.push({
      path: `${path}.DestinationType`,
      message: '"prepared_query" is not supported by this version; use "service"',
    });
  }
  if (upstream.DestinationName === "" || upstream.DestinationName === "*") {
    issues.push({
      path: `${path}.DestinationName`,
      message: "upstream destination name must be one service's name, not empty or a wildcard",
    });
  }
  if (isGiven(raw.LocalBindSocketPath)) {
    issues.push({
      path: `${path}.LocalBindSocketPath`,
      message: "is not supported by this version; use LocalBindPort",
    });
  } else if (upstream.LocalBindPort === 0) {
    issues.push({ path: `${path}.LocalBindPort`, message: "upstream local bind port must be set, from 1 to 65535" });
  }
  if (isGiven(raw.DestinationPeer)) {
    issues.push({ path: `${path}.DestinationPeer`, message: "peering is not supported by this version" });
  }
  refuseGateway(`${path}.MeshGateway`, raw.MeshGateway?.Mode, issues);
  issues.push(...issuesUnder(`${path}.Config`, readUpstreamSettings(upstream.Config).issues));
  return upstream;
}

function refuseGateway(path: string, mode: string | undefined, issues: SchemaIssue[]): void {
  if (mode === undefined || mode === "" || mode === "none") return;
  issues.push({
    path: `${path}.Mode`,
    message: `only "none" is supported by this version, found ${JSON.stringify(mode)}`,
  });
}

/** One name in one datacenter is one upstream, and one address can be listened on once. */
function refuseDuplicates(upstreams: readonly Upstream[], issues: SchemaIssue[]): void {
  const byName = new Map<string, number>();
  const byAddress = new Map<string, number>();
  for (const [i, upstream] of upstreams.entries()) {
    const name = `${upstream.DestinationName}?dc=${upstream.Datacenter}`;
    const earlierName = byName.get(name);
    if (earlierName !== undefined) {
      const message = `upstream "${upstream.DestinationName}" is the same as Upstreams[${earlierName}]: name each destination once`;
      issues.push({ path: `Upstreams[${i}].DestinationName`, message });
    }
    const address = `${upstream.LocalBindAddress}:${upstream.LocalBindPort}`;
    const earlierAddress = upstream.LocalBindPort === 0 ? undefined : byAddress.get(address);
    if (earlierAddress !== undefined) {
      const message = `${address} is already the local bind address of Upstreams[${earlierAddress}]: use another port`;
      issues.push({ path: `Upstreams[${i}].LocalBindPort`, message });
    }
    byName.set(name, i);
    byAddress.set(address, i);
  }
}

function hasExposedPaths(expose: unknown): boolean {
  if (typeof expose !== "object" || expose === null) return isGiven(expose);
  return Object.values(expose).some((value) => (Array.isArray(value) ? value.length > 0 : isGiven(value)));
}

function isGiven(value: unknown): boolean {
  return !isZeroValue(value);
}
