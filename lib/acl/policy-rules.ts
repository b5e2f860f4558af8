/**
 * One policy's rules, read from text. Names are compared as they are; a rule is of one name or of all that begin with it.
 */
export const namedResources = ["agent", "event", "key", "node", "query", "service", "session"] as const;
export type NamedResource = (typeof namedResources)[number];

/** Resources that are one thing: their rule has no name. */
export const wholeResources = ["acl", "keyring", "mesh", "operator", "peering"] as const;
export type WholeResource = (typeof wholeResources)[number];

/** What a rule gives. `list` is of keys only: to see names below a prefix as well as to read them. */
export type RuleAccess = "deny" | "read" | "list" | "write";

export interface NamedRule {
  readonly resource: NamedResource;
  readonly name: string;
  readonly isPrefix: boolean;
  readonly policy: RuleAccess;
  /** Of `service` only; absent: `read` where the service may be read, else `deny`. */
  readonly intentions?: RuleAccess;
}

export interface PolicyRules {
  readonly named: readonly NamedRule[];
  readonly whole: Readonly<Partial<Record<WholeResource, RuleAccess>>>;
}

export const noRules: PolicyRules = { named: [], whole: {} };

/** Of two rules at one place, from two policies or from one: `deny` wins, then who gives more. */
export function stronger(a: RuleAccess, b: RuleAccess): RuleAccess {
  return strength[a] >= strength[b] ? a : b;
}

const strength: Readonly<Record<RuleAccess, number>> = { deny: 4, write: 3, list: 2, read: 1 };
