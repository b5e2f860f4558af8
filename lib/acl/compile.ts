import type { Access, Authorizer, Resource } from "./authorizer.ts";
import type { NamedRule, PolicyRules, RuleAccess, WholeResource } from "./policy-rules.ts";
import { stronger, wholeResources } from "./policy-rules.ts";
import { createRuleTree, type RuleTree } from "./rule-tree.ts";

/** What applies where no rule does. */
export type DefaultPolicy = "allow" | "deny";

/** An {@link Authorizer} without a person: tokens with the same policies share it. */
export type Decider = Omit<Authorizer, "accessorId">;

/** The resources that have names; intentions go by the name of their destination. */
const treeResources = ["agent", "event", "intention", "key", "node", "query", "service", "session"] as const;
type TreeResource = (typeof treeResources)[number];

/**
 * Compiles the policies of a token, as Consul decides: the rule of the very name, else the one of its longest prefix, else
 * the default. Where several policies have a rule at one place `deny` wins over `write` over `list` over `read`. By default
 * everything may be allowed but to see or change access control itself. `key` is the caller's name for these policies.
 */
export function compileRules(
  policies: readonly PolicyRules[],
  { key, defaultPolicy }: { readonly key: string; readonly defaultPolicy: DefaultPolicy },
): Decider {
  const trees = compileTrees(policies.flatMap(({ named }) => named));
  const whole = mergeWhole(policies);
  const isAllowedByDefault = defaultPolicy === "allow";

  const decideWhole = (resource: WholeResource, access: Access): boolean => {
    const rule = whole[resource] ?? (resource === "mesh" || resource === "peering" ? whole.operator : undefined);
    if (rule !== undefined) return gives(rule, access);
    return isAllowedByDefault && resource !== "acl";
  };
  const decideAll = (resource: TreeResource, access: Access, prefix: string): boolean => {
    const rule = trees[resource].findPrefix(prefix);
    if (!(rule === undefined ? isAllowedByDefault : gives(rule, access))) return false;
    return trees[resource].every(prefix, (one) => gives(one, access));
  };
  const decideAny = (resource: TreeResource, access: Access): boolean => {
    if (trees[resource].some((one) => gives(one, access))) return true;
    return trees[resource].findPrefix("") === undefined && isAllowedByDefault;
  };
  // Asked for with every list.
  const all = tabulate((resource, access) => decideAll(resource, access, ""));
  const any = tabulate(decideAny);

  const isUnrestricted =
    wholeResources.every((resource) => decideWhole(resource, "write")) &&
    treeResources.every((resource) => all[resource].write);

  return {
    key: isUnrestricted ? "unrestricted" : key,
    isUnrestricted,
    allows(resource, access, name = "") {
      if (!isTree(resource)) return decideWhole(resource, access);
      // The rule that speaks of every destination.
      if (resource === "intention" && name === "*") {
        return access === "write" ? all.intention.write : any.intention[access];
      }
      const rule = trees[resource].find(name);
      return rule === undefined ? isAllowedByDefault : gives(rule, access);
    },
    allowsAll(resource, access, prefix) {
      if (!isTree(resource)) return decideWhole(resource, access);
      return prefix === "" ? all[resource][access] : decideAll(resource, access, prefix);
    },
    allowsAny: (resource, access) => (isTree(resource) ? any[resource][access] : decideWhole(resource, access)),
  };
}

/** The decider speaking for one token. */
export function authorizerOf(decider: Decider, accessorId: string): Authorizer {
  const { key, isUnrestricted, allows, allowsAll, allowsAny } = decider;
  return { key, isUnrestricted, allows, allowsAll, allowsAny, accessorId };
}

function gives(rule: RuleAccess, access: Access): boolean {
  if (rule === "deny") return false;
  if (rule === "write" || access === "read") return true;
  return access === "list" && rule === "list";
}

function isTree(resource: Resource): resource is TreeResource {
  return treeResources.some((one) => one === resource);
}

function compileTrees(rules: readonly NamedRule[]): Readonly<Record<TreeResource, RuleTree>> {
  const treeOf = (resource: TreeResource): RuleTree => {
    if (resource !== "intention") {
      const own = rules.filter((rule) => rule.resource === resource);
      return createRuleTree(own.map(({ name, isPrefix, policy }) => ({ name, isPrefix, access: policy })));
    }
    const ofServices = rules.filter((rule) => rule.resource === "service");
    return createRuleTree(
      ofServices.map((rule) => ({ name: rule.name, isPrefix: rule.isPrefix, access: intentionAccess(rule) })),
    );
  };
  return {
    agent: treeOf("agent"),
    event: treeOf("event"),
    intention: treeOf("intention"),
    key: treeOf("key"),
    node: treeOf("node"),
    query: treeOf("query"),
    service: treeOf("service"),
    session: treeOf("session"),
  };
}

/** Who may see a service may see who may call it. */
function intentionAccess({ policy, intentions }: NamedRule): RuleAccess {
  if (intentions !== undefined) return intentions;
  return policy === "deny" ? "deny" : "read";
}

function mergeWhole(policies: readonly PolicyRules[]): Partial<Record<WholeResource, RuleAccess>> {
  const merged: Partial<Record<WholeResource, RuleAccess>> = {};
  for (const { whole } of policies) {
    for (const resource of wholeResources) {
      const access = whole[resource];
      if (access !== undefined) merged[resource] = stronger(access, merged[resource] ?? access);
    }
  }
  return merged;
}

type Answers = Readonly<Record<TreeResource, Readonly<Record<Access, boolean>>>>;

function tabulate(decide: (resource: TreeResource, access: Access) => boolean): Answers {
  const row = (resource: TreeResource) => ({
    read: decide(resource, "read"),
    list: decide(resource, "list"),
    write: decide(resource, "write"),
  });
  return {
    agent: row("agent"),
    event: row("event"),
    intention: row("intention"),
    key: row("key"),
    node: row("node"),
    query: row("query"),
    service: row("service"),
    session: row("session"),
  };
}
