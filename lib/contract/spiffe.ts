/**
 * SPIFFE identities in Consul's format (SPIFFE-ID specification 2; Consul's "service mesh certificate authority").
 * A service is `spiffe://<trust-domain>/ns/default/dc/<dc>/svc/<service>`.
 */
export type SpiffeId =
  | { readonly kind: "service"; readonly trustDomain: string; readonly datacenter: string; readonly service: string }
  | { readonly kind: "agent"; readonly trustDomain: string; readonly datacenter: string; readonly node: string }
  | { readonly kind: "server"; readonly trustDomain: string; readonly datacenter: string };

/** The SPIFFE specification's upper bound for a whole identity, in bytes. */
export const maxSpiffeIdBytes = 2048;

/** `spiffe:`, nothing, the trust domain, and `ns/default/dc/<dc>/svc/<service>`. */
const spiffeServiceSegments = 9;
const trustDomainPattern = /^[a-z0-9._-]{1,255}$/;
const segmentPattern = /^[A-Za-z0-9._-]{1,255}$/;

export function formatSpiffeId(id: SpiffeId): string {
  switch (id.kind) {
    case "service":
      return `spiffe://${id.trustDomain}/ns/default/dc/${id.datacenter}/svc/${id.service}`;
    case "agent":
      return `spiffe://${id.trustDomain}/agent/client/dc/${id.datacenter}/id/${id.node}`;
    case "server":
      return `spiffe://${id.trustDomain}/agent/server/dc/${id.datacenter}`;
  }
}

/** Reads an identity; anything that is not exactly one of the known forms (no escapes, no query, no port) is undefined. */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  if (uri.length > maxSpiffeIdBytes || !uri.startsWith("spiffe://")) return undefined;
  const [trustDomain = "", ...path] = uri.slice("spiffe://".length).split("/");
  if (!trustDomainPattern.test(trustDomain) || !path.every(isSegment)) return undefined;
  const [a, b, c, d, e, f] = path;
  if (path.length === 6 && a === "ns" && b === "default" && c === "dc" && d && e === "svc" && f) {
    return { kind: "service", trustDomain, datacenter: d, service: f };
  }
  if (path.length === 6 && a === "agent" && b === "client" && c === "dc" && d && e === "id" && f) {
    return { kind: "agent", trustDomain, datacenter: d, node: f };
  }
  if (path.length === 4 && a === "agent" && b === "server" && c === "dc" && d) {
    return { kind: "server", trustDomain, datacenter: d };
  }
  return undefined;
}

// Compiles a pattern such as spiffe://*/ns/default/dc/*/svc/api to a test over whole identities: `*` stands for exactly
// one whole segment and nothing else is special. Undefined when the pattern is not of that form.
export function compileSpiffePattern(pattern: string): ((uri: string) => boolean) | undefined {
  if (!pattern.startsWith("spiffe://")) return undefined;
  const wanted = pattern.slice("spiffe://".length).split("/");
  if (!wanted.every((segment) => segment === "*" || isSegment(segment))) return undefined;
  return (uri) => {
    if (!uri.startsWith("spiffe://") || uri.length > maxSpiffeIdBytes) return false;
    const segments = uri.slice("spiffe://".length).split("/");
    return (
      segments.length === wanted.length &&
      segments.every((segment, i) => isSegment(segment) && (wanted[i] === "*" || wanted[i] === segment))
    );
  };
}

/** The pattern with another service in its last segment; undefined when it is not of a service's form. */
export function patternOfService(pattern: string, service: string): string | undefined {
  const segments = pattern.split("/");
  const isOfServices = segments.length === spiffeServiceSegments && segments[spiffeServiceSegments - 2] === "svc";
  return isOfServices ? [...segments.slice(0, -1), service].join("/") : undefined;
}

/** The server name (TLS SNI and DNS subject name) under which a service is reached inside the mesh. */
export function meshServerName(name: {
  readonly service: string;
  readonly datacenter: string;
  readonly trustDomain: string;
}): string {
  return `${name.service}.default.${name.datacenter}.internal.${name.trustDomain}`;
}

/** The TLS server name of the RPC listener: the same for every server of a datacenter, so that any of them can answer. */
export function rpcServerName(name: { readonly datacenter: string; readonly trustDomain: string }): string {
  return `server.${name.datacenter}.${name.trustDomain}`;
}

/** The DNS name in the certificate of one server, beside the shared one: whom its peers may take it for. */
export function serverNodeName(name: {
  readonly nodeId: string;
  readonly datacenter: string;
  readonly trustDomain: string;
}): string {
  return `${name.nodeId}.${rpcServerName(name)}`;
}

function isSegment(segment: string): boolean {
  return segment !== "." && segment !== ".." && segmentPattern.test(segment);
}
