import type { Indexed } from "./catalog.ts";

/**
 * Who holds a lease, or held one: the agents of the cluster, those of servers included. A node without an agent is no
 * member, so nothing here ever concerns it.
 */
export const memberStatuses = ["alive", "failed", "left"] as const;
export type MemberStatus = (typeof memberStatuses)[number];

/** `consul` is Consul's word for a server; clients count servers by it. */
export type MemberRole = "consul" | "node";

/** How long a node may be silent, and how long it stays in the catalog after that. */
export interface LeaseTerms {
  /** The name of the kind of node, such as `default` or `ephemeral`. */
  readonly Class: string;
  /** Silent for so long, a node is critical. */
  readonly TtlMs: number;
  /** Critical for so long, it is removed. */
  readonly ReapAfterMs: number;
}

/** What an agent says of itself when it asks for its lease. */
export interface MemberFields extends LeaseTerms {
  /** Name of the node; the key. */
  readonly Node: string;
  /** The node's UUID, which is the agent's own. */
  readonly ID: string;
  readonly Address: string;
  /** Where a server listens for agents; 0 for an agent without a server. */
  readonly Port: number;
  readonly Role: MemberRole;
  readonly Build: string;
}

export interface MemberRecord extends MemberFields, Indexed {
  readonly Status: MemberStatus;
  /** Since when, as wall-clock milliseconds of the leader that saw it. */
  readonly SinceMs: number;
}

/** One step of one member. A step that does not fit what is there (another id, another status) changes nothing. */
export type MemberChange =
  /** It holds its lease: its node is alive. Takes a name over from another id only when that one is not alive. */
  | { readonly kind: "alive"; readonly member: MemberFields }
  /** It has lost its lease. */
  | { readonly kind: "failed"; readonly node: string; readonly id: string }
  /** It said good-bye, or an operator did: its node leaves the catalog. */
  | { readonly kind: "left"; readonly node: string; readonly id: string }
  /** It has been away for too long, or is to be forgotten at once: its node leaves the catalog, and nothing is left. */
  | { readonly kind: "gone"; readonly node: string; readonly id: string };

export const defaultNodeClass = "default";

/** The node meta that names a node's class. */
export const nodeClassMetaKey = "atoll-class";

const hourMs = 3_600_000;

/** Terms by class; a class that is not listed has those of `default`. A second less than 10 s are left for the way. */
export const classTerms: Readonly<Record<string, Omit<LeaseTerms, "Class">>> = {
  default: { TtlMs: 8_000, ReapAfterMs: 72 * hourMs },
  ephemeral: { TtlMs: 8_000, ReapAfterMs: hourMs },
};

export const leaseBounds = { minTtlMs: 1_000, maxTtlMs: 600_000, minReapMs: 1_000, maxReapMs: 8_760 * hourMs } as const;

/** How long a member that left is still listed. */
export const leftListedMs = 24 * hourMs;

/** How often a lease is renewed: two renewals may get lost. */
export function renewalIntervalMs(terms: Pick<LeaseTerms, "TtlMs">): number {
  return terms.TtlMs / 3;
}

/** The terms of a class, each replaced by what was set. */
export function leaseTerms(
  nodeClass: string,
  set: { readonly ttlMs?: number | undefined; readonly reapAfterMs?: number | undefined } = {},
): LeaseTerms {
  const known = Object.hasOwn(classTerms, nodeClass) ? classTerms[nodeClass] : undefined;
  const { TtlMs, ReapAfterMs } = known ?? { TtlMs: 8_000, ReapAfterMs: 72 * hourMs };
  return { Class: nodeClass, TtlMs: set.ttlMs ?? TtlMs, ReapAfterMs: set.reapAfterMs ?? ReapAfterMs };
}

export const aliveOutput = "Agent alive and reachable";
export const failedOutput = "Agent not live or unreachable";
