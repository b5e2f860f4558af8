import type { CheckStatus } from "../../lib/contract/catalog.ts";
import type { ConfigEntryKind } from "../../lib/contract/config-entries.ts";

export const kvFamily = "kv/";
export const kvUnderFamily = "kv-under/";

/**
 * The things whose change can be watched. Each has an index of its own, so that a reader is woken by what it reads and by
 * nothing else. A key with a slash names one member of the family before the slash; members come and go.
 */
export const watchKeys = {
  nodes: "nodes",
  /** Service names and their tags; not changed by health, ports or addresses. */
  serviceNames: "service-names",
  /** Every service record, whatever of it changes; nodes and checks are not part of it. */
  services: "services",
  coordinates: "coordinates",
  caRoots: "ca-roots",
  autopilot: "autopilot",
  aclTokens: "acl-tokens",
  aclPolicies: "acl-policies",
  aclRoles: "acl-roles",
  authorityConfig: "authority-config",
  /** Who holds a lease, or held one. */
  members: "members",
  aclAuthMethods: "acl-auth-methods",
  aclBindingRules: "acl-binding-rules",
  node: (name: string) => `node/${name}`,
  coordinate: (node: string) => `coordinate/${node}`,
  nodeServices: (node: string) => `node-services/${node}`,
  nodeChecks: (node: string) => `node-checks/${node}`,
  /** The instances of a service name with their nodes and checks. */
  service: (name: string) => `service/${name}`,
  /** The mesh-capable instances for a destination name with their nodes and checks. */
  connect: (destination: string) => `connect/${destination}`,
  virtualIp: (service: string) => `virtual-ip/${service}`,
  serviceChecks: (service: string) => `service-checks/${service}`,
  checks: (status: CheckStatus | "any") => `checks-${status}`,
  configKind: (kind: ConfigEntryKind) => `config-kind-${kind}`,
  configEntry: (kind: ConfigEntryKind, name: string) => `${kind}/${name}`,
  sessions: "sessions",
  session: (id: string) => `session/${id}`,
  nodeSessions: (node: string) => `node-sessions/${node}`,
  lockDelays: "lock-delays",
  preparedQueries: "prepared-queries",
  userEvents: "user-events",
  peerings: "peerings",
  /** One key. Its index is its record's or its tombstone's; the rest of this object has indexes in the index table. */
  kv: (key: string) => `${kvFamily}${key}`,
  /** Every key that begins with the prefix: woken by each of them, never touched itself. */
  kvUnder: (prefix: string) => `${kvUnderFamily}${prefix}`,
  /** Stands for all keys when the whole state was replaced: no index of theirs is below it. */
  kvRestored: "kv-restored",
  /** The newest tombstone that was forgotten: what is missing has at least this index. */
  kvReaped: "kv-reaped",
  /** The intentions that name a source. */
  intentionSource: (name: string) => `intention-source/${name}`,
} as const;

/** The family of a member's key; undefined for things that always exist. */
export function watchFamily(key: string): string | undefined {
  const slash = key.indexOf("/");
  return slash === -1 ? undefined : key.slice(0, slash);
}
