import { type RuleAccess, stronger } from "./policy-rules.ts";

/**
 * The rules of one resource from all policies of a token: the rule of a name, else that of its longest prefix. A name costs
 * one look per length that any prefix has, whatever the number of rules.
 */
export interface RuleTree {
  /** Undefined where no rule applies. */
  find(name: string): RuleAccess | undefined;
  /** What the longest prefix rule says of `prefix` and of everything below it that has no rule of its own. */
  findPrefix(prefix: string): RuleAccess | undefined;
  /** Whether every rule of a name or prefix that begins with `prefix` passes. */
  every(prefix: string, passes: (access: RuleAccess) => boolean): boolean;
  some(passes: (access: RuleAccess) => boolean): boolean;
  readonly isEmpty: boolean;
}

export interface TreeRule {
  readonly name: string;
  readonly isPrefix: boolean;
  readonly access: RuleAccess;
}

export function createRuleTree(rules: Iterable<TreeRule>): RuleTree {
  const exact = new Map<string, RuleAccess>();
  const prefixes = new Map<string, RuleAccess>();
  for (const { name, isPrefix, access } of rules) {
    const map = isPrefix ? prefixes : exact;
    const known = map.get(name);
    map.set(name, known === undefined ? access : stronger(known, access));
  }
  const lengths = [...new Set([...prefixes.keys()].map((name) => name.length))].sort((a, b) => b - a);
  const sorted = [...exact, ...prefixes].sort(([a], [b]) => (a < b ? -1 : Number(a > b)));

  const findPrefix = (name: string): RuleAccess | undefined => {
    for (const length of lengths) {
      if (length > name.length) continue;
      const access = prefixes.get(length === name.length ? name : name.slice(0, length));
      if (access !== undefined) return access;
    }
    return undefined;
  };

  return {
    find: (name) => exact.get(name) ?? findPrefix(name),
    findPrefix,
    every(prefix, passes) {
      for (let i = firstFrom(sorted, prefix); i < sorted.length; i++) {
        const [name, access] = sorted[i] ?? ["", "deny"];
        if (!name.startsWith(prefix)) return true;
        if (!passes(access)) return false;
      }
      return true;
    },
    some: (passes) => sorted.some(([, access]) => passes(access)),
    isEmpty: sorted.length === 0,
  };
}

/** Index of the first name that is not before `name`; names in one order of code units. */
function firstFrom(sorted: readonly (readonly [string, RuleAccess])[], name: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.[0] ?? "") < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
