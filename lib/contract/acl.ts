import type { Indexed } from "./catalog.ts";

/**
 * The records of access control, in the spelling of Consul's `/v1/acl`. Links are ids: what no longer exists is passed over
 * where a link is followed, so deleting a policy or role takes it from everybody at once. Of a token's secret only the hash
 * is kept; who has the secret was told it once, when the token was made.
 */
export interface AclTokenFields {
  readonly AccessorID: string;
  /** SHA-256 of the secret, lower hex. A secret has the 122 random bits of a UUID, so it needs no salt. */
  readonly SecretHash: string;
  readonly Description: string;
  /** Ids of policies. */
  readonly Policies: readonly string[];
  /** Ids of roles. */
  readonly Roles: readonly string[];
  readonly ServiceIdentities: readonly ServiceIdentity[];
  readonly NodeIdentities: readonly NodeIdentity[];
  readonly TemplatedPolicies: readonly TemplatedPolicyLink[];
  readonly Local: boolean;
  /** The auth method whose login made it; empty for all others. */
  readonly AuthMethod: string;
  /** RFC 3339. */
  readonly CreateTime: string;
  /** RFC 3339; absent for a token that does not expire. */
  readonly ExpirationTime?: string;
}
export type AclTokenRecord = AclTokenFields & Indexed;

/** What a service needs: to register itself and its sidecar and to find others. Empty datacenters: in all of them. */
export interface ServiceIdentity {
  readonly ServiceName: string;
  readonly Datacenters: readonly string[];
}

/** What the agent of a node needs. */
export interface NodeIdentity {
  readonly NodeName: string;
  readonly Datacenter: string;
}

/** One of the policies that come with the program, for a name where it takes one. */
export interface TemplatedPolicyLink {
  readonly TemplateName: string;
  /** Empty for templates without variables. */
  readonly Name: string;
  readonly Datacenters: readonly string[];
}

export interface AclPolicyFields {
  readonly ID: string;
  readonly Name: string;
  readonly Description: string;
  /** HCL or JSON as it was written; checked before it came here. */
  readonly Rules: string;
  /** Where it holds; empty: everywhere. */
  readonly Datacenters: readonly string[];
}
export type AclPolicyRecord = AclPolicyFields & Indexed;

export interface AclRoleFields {
  readonly ID: string;
  readonly Name: string;
  readonly Description: string;
  readonly Policies: readonly string[];
  readonly ServiceIdentities: readonly ServiceIdentity[];
  readonly NodeIdentities: readonly NodeIdentity[];
  readonly TemplatedPolicies: readonly TemplatedPolicyLink[];
}
export type AclRoleRecord = AclRoleFields & Indexed;

/** That somebody has bootstrapped: a second time needs its ModifyIndex, written into a file on the leader's disk. */
export type AclBootstrapRecord = { readonly AccessorID: string } & Indexed;

/** The token of requests without one. */
export const anonymousAccessorId = "00000000-0000-0000-0000-000000000002";
/** Nobody can know a secret with this name: it is no UUID. Consul's word for it. */
export const anonymousSecret = "anonymous";
export const globalManagementId = "00000000-0000-0000-0000-000000000001";
export const globalReadOnlyId = "00000000-0000-0000-0000-000000000002";

/** Everything, ACLs included. */
const managementRules = [
  'acl = "write"',
  ...["agent", "event", "key", "node", "query", "session"].map((name) => `${name}_prefix "" {\n  policy = "write"\n}`),
  'service_prefix "" {\n  policy = "write"\n  intentions = "write"\n}',
  ...["keyring", "mesh", "operator", "peering"].map((name) => `${name} = "write"`),
].join("\n");

/** The policies that are always there. Their rules and where they hold cannot be changed; their names can. */
export const builtinPolicies: readonly AclPolicyFields[] = [
  {
    ID: globalManagementId,
    Name: "global-management",
    Description: "A policy that grants unlimited access",
    Rules: managementRules,
    Datacenters: [],
  },
  {
    ID: globalReadOnlyId,
    Name: "builtin/global-read-only",
    Description: "A policy that grants unlimited read-only access to all components",
    Rules: managementRules.replaceAll('"write"', '"read"'),
    Datacenters: [],
  },
];
