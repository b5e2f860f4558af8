import { mustGet } from "../../lib/base/assert.ts";
import type { ClusterConfig } from "../../lib/contract/proxy-config.ts";
import { compileSpiffePattern, patternOfService } from "../../lib/contract/spiffe.ts";

/** Who an endpoint has to be. It never changes: connections to an endpoint are those to one peer. */
export interface Peer {
  /** Whose instance it is, where that is not its cluster's service; else empty. */
  readonly service: string;
  /** Asked for in the TLS handshake, and checked against the DNS names of the certificate. */
  readonly serverName: string;
  /** SPIFFE id or pattern that the certificate has to match. */
  readonly pattern: string;
  readonly isExpected: (uri: string) => boolean;
}

type Settings = Pick<ClusterConfig, "peerIdentity" | "serverName"> & { readonly service: string };
type EndpointIdentity = Pick<ClusterConfig["endpoints"][number], "service" | "serverName">;

/** Tells who the endpoints of a cluster are. Those with the same identity get the same peer. */
export function createPeers(cluster: Settings, trustDomain: string): (endpoint: EndpointIdentity) => Peer {
  const pattern = cluster.peerIdentity ?? `spiffe://${trustDomain}/ns/default/dc/*/svc/${cluster.service}`;
  const own = createPeer("", cluster.serverName ?? cluster.service, pattern);
  const others = new Map<string, Peer>();
  return ({ service, serverName = service }) => {
    if (service === undefined || serverName === undefined) return own;
    const key = `${service} ${serverName}`;
    const known = others.get(key);
    if (known !== undefined) return known;
    const itsPattern = mustGet(patternOfService(pattern, service), "peer patterns are checked when parsed");
    const peer = createPeer(service, serverName, itsPattern);
    others.set(key, peer);
    return peer;
  };
}

export function isSamePeer(a: Peer, b: Peer): boolean {
  return a === b || (a.service === b.service && a.serverName === b.serverName && a.pattern === b.pattern);
}

function createPeer(service: string, serverName: string, pattern: string): Peer {
  const isExpected = mustGet(compileSpiffePattern(pattern), "peer patterns are checked when parsed");
  return { service, serverName, pattern, isExpected };
}
