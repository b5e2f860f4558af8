import type { Access, Resource } from "../../../lib/acl/authorizer.ts";
import type { NamedRule, PolicyRules, RuleAccess } from "../../../lib/acl/policy-rules.ts";

/** Consul's decision in the most literal words: every rule is looked at for every question. */
export function naiveAllows(
  policies: readonly PolicyRules[],
  defaultPolicy: "allow" | "deny",
  question: { readonly resource: Resource; readonly access: Access; readonly name: string },
): boolean {
  const { resource, access, name } = question;
  if (resource === "intention" && name === "*") {
    return access === "write"
      ? naiveAll(policies, defaultPolicy, { resource, access, prefix: "" })
      : naiveAny(policies, defaultPolicy, { resource, access });
  }
  const whole = wholeRules(policies, resource);
  if (whole !== undefined) {
    const own =
      whole.length > 0 ? whole : resource === "mesh" || resource === "peering" ? ofWhole(policies, "operator") : [];
    if (own.length === 0) return defaultPolicy === "allow" && resource !== "acl";
    return gives(winner(own), access);
  }
  const rules = namedRules(policies, resource);
  const exact = rules.filter((rule) => !rule.isPrefix && rule.name === name);
  if (exact.length > 0) return gives(winner(exact.map(({ policy }) => policy)), access);
  return gives(prefixRule(rules, name) ?? defaultAccess(defaultPolicy), access);
}

/** Whatever name beginning with the prefix somebody might think of, the end of every rule's name and beyond included. */
export function naiveAll(
  policies: readonly PolicyRules[],
  defaultPolicy: "allow" | "deny",
  { resource, access, prefix }: { readonly resource: Resource; readonly access: Access; readonly prefix: string },
): boolean {
  const rules = namedRules(policies, resource).filter((rule) => rule.name.startsWith(prefix));
  const places = new Map<string, RuleAccess[]>();
  for (const rule of rules) {
    const place = `${rule.isPrefix} ${rule.name}`;
    places.set(place, [...(places.get(place) ?? []), rule.policy]);
  }
  const itself = gives(prefixRule(namedRules(policies, resource), prefix) ?? defaultAccess(defaultPolicy), access);
  return itself && [...places.values()].every((one) => gives(winner(one), access));
}

export function naiveAny(
  policies: readonly PolicyRules[],
  defaultPolicy: "allow" | "deny",
  { resource, access }: { readonly resource: Resource; readonly access: Access },
): boolean {
  const rules = namedRules(policies, resource);
  const places = [...new Set(rules.map((rule) => `${rule.isPrefix} ${rule.name}`))];
  const merged = places.map((place) =>
    winner(rules.filter((rule) => `${rule.isPrefix} ${rule.name}` === place).map(({ policy }) => policy)),
  );
  if (merged.some((one) => gives(one, access))) return true;
  return gives(prefixRule(rules, "") ?? defaultAccess(defaultPolicy), access);
}

function prefixRule(rules: readonly NamedRule[], name: string): RuleAccess | undefined {
  const matching = rules.filter((rule) => rule.isPrefix && name.startsWith(rule.name));
  const longest = Math.max(-1, ...matching.map((rule) => rule.name.length));
  const deciding = matching.filter((rule) => rule.name.length === longest);
  return deciding.length === 0 ? undefined : winner(deciding.map(({ policy }) => policy));
}

function namedRules(policies: readonly PolicyRules[], resource: Resource): readonly NamedRule[] {
  return policies.flatMap(({ named }) =>
    named.flatMap((rule) => {
      if (resource !== "intention") return rule.resource === resource ? [rule] : [];
      if (rule.resource !== "service") return [];
      const policy = rule.intentions ?? (rule.policy === "deny" ? "deny" : "read");
      return [{ ...rule, policy }];
    }),
  );
}

function wholeRules(policies: readonly PolicyRules[], resource: Resource): readonly RuleAccess[] | undefined {
  switch (resource) {
    case "acl":
    case "keyring":
    case "mesh":
    case "operator":
    case "peering":
      return ofWhole(policies, resource);
    default:
      return undefined;
  }
}

function ofWhole(policies: readonly PolicyRules[], resource: keyof PolicyRules["whole"]): readonly RuleAccess[] {
  return policies.flatMap(({ whole }) => whole[resource] ?? []);
}

function winner(rules: readonly RuleAccess[]): RuleAccess {
  return (["deny", "write", "list", "read"] as const).find((one) => rules.includes(one)) ?? "deny";
}

function gives(rule: RuleAccess, access: Access): boolean {
  if (rule === "write") return true;
  if (rule === "list") return access !== "write";
  return rule === "read" && access === "read";
}

function defaultAccess(policy: "allow" | "deny"): RuleAccess {
  return policy === "allow" ? "write" : "deny";
}
