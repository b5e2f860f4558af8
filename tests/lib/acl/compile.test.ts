import { expect, test } from "bun:test";
import { type Access, resources } from "../../../lib/acl/authorizer.ts";
import { compileRules } from "../../../lib/acl/compile.ts";
import { parseRules } from "../../../lib/acl/parse-rules.ts";
import {
  namedResources,
  type NamedRule,
  type PolicyRules,
  type RuleAccess,
  wholeResources,
} from "../../../lib/acl/policy-rules.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { builtinPolicies } from "../../../lib/contract/acl.ts";
import { naiveAll, naiveAllows, naiveAny } from "./naive-rules.ts";

const accesses: readonly Access[] = ["read", "list", "write"];

function rules(text: string): PolicyRules {
  const parsed = parseRules(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.rules;
}

const deny = { key: "k", defaultPolicy: "deny" } as const;
const allow = { key: "k", defaultPolicy: "allow" } as const;

test("the rule of the very name beats every prefix, and the longest prefix the others", () => {
  const decider = compileRules(
    [rules('key_prefix "" { policy = "read" } key_prefix "a/" { policy = "deny" } key "a/b" { policy = "write" }')],
    deny,
  );
  expect(decider.allows("key", "read", "x")).toBe(true);
  expect(decider.allows("key", "write", "x")).toBe(false);
  expect(decider.allows("key", "read", "a/c")).toBe(false);
  expect(decider.allows("key", "write", "a/b")).toBe(true);
  expect(decider.allows("key", "read", "a/b/c")).toBe(false);
  expect(decider.allowsAll("key", "read", "")).toBe(false);
  expect(decider.allowsAll("key", "read", "x")).toBe(true);
  expect(decider.allowsAny("key", "write")).toBe(true);
});

test("of several policies deny wins over write over list over read at one place", () => {
  const of = (...policies: readonly RuleAccess[]) =>
    compileRules(
      policies.map((policy) => rules(`key_prefix "k" { policy = "${policy}" }`)),
      deny,
    );
  expect(of("write", "deny").allows("key", "read", "k")).toBe(false);
  expect(of("read", "write").allows("key", "write", "k")).toBe(true);
  expect(of("read", "list").allows("key", "list", "k")).toBe(true);
  expect(of("read").allows("key", "list", "k")).toBe(false);
});

test("who may read a service may see its intentions, and needs the rule of intentions to write them", () => {
  const plain = compileRules([rules('service "web" { policy = "write" }')], deny);
  expect(plain.allows("intention", "read", "web")).toBe(true);
  expect(plain.allows("intention", "write", "web")).toBe(false);
  const wide = compileRules([rules('service_prefix "" { policy = "read" intentions = "write" }')], deny);
  expect(wide.allows("intention", "write", "*")).toBe(true);
  expect(wide.allows("service", "write", "web")).toBe(false);
});

test("mesh and peering follow the operator's rule where they have none", () => {
  const decider = compileRules([rules('operator = "read"')], deny);
  expect(decider.allows("mesh", "read")).toBe(true);
  expect(decider.allows("peering", "write")).toBe(false);
  expect(compileRules([rules('operator = "write" mesh = "deny"')], deny).allows("mesh", "read")).toBe(false);
});

test("an allowing default gives everything but access control itself", () => {
  const decider = compileRules([], allow);
  expect(decider.allows("service", "write", "web")).toBe(true);
  expect(decider.allows("operator", "write")).toBe(true);
  expect(decider.allows("acl", "read")).toBe(false);
  expect(decider.isUnrestricted).toBe(false);
});

test("only a policy that refuses nothing is unrestricted, and those are alike to the shared answers", () => {
  const [management, readOnly] = builtinPolicies.map((policy) => compileRules([rules(policy.Rules)], deny));
  expect(management?.isUnrestricted).toBe(true);
  expect(management?.key).toBe("unrestricted");
  expect(readOnly?.isUnrestricted).toBe(false);
  expect(readOnly?.allows("acl", "read")).toBe(true);
  expect(readOnly?.allows("key", "write", "a")).toBe(false);
  const cut = compileRules([rules(builtinPolicies[0]?.Rules ?? ""), rules('key "secret" { policy = "deny" }')], deny);
  expect(cut.isUnrestricted).toBe(false);
  expect(cut.allows("key", "read", "secret")).toBe(false);
});

/** ATOLL_TEST_SEED replays one run. */
const seeds = process.env["ATOLL_TEST_SEED"] === undefined ? [11, 12, 13] : [Number(process.env["ATOLL_TEST_SEED"])];

test.each(seeds)("random policies decide as a literal reading of every rule does (seed %d)", (seed) => {
  const random = createSeededRandom(seed);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random.float() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const names = ["", "a", "ab", "abc", "b", "b/", "b/c", "b/cd", "*", "\uffff", "é"];
  const policies: readonly RuleAccess[] = ["deny", "read", "list", "write"];
  const plain: readonly RuleAccess[] = ["deny", "read", "write"];
  for (let round = 0; round < 100; round++) {
    const randomRule = (): NamedRule => {
      const resource = pick(namedResources);
      return {
        resource,
        name: pick(names),
        isPrefix: random.float() < 0.6,
        policy: pick(resource === "key" ? policies : plain),
        ...(resource === "service" && random.float() < 0.4 && { intentions: pick(plain) }),
      };
    };
    const randomPolicy = (): PolicyRules => ({
      named: Array.from({ length: Math.floor(random.float() * 12) }, randomRule),
      whole: Object.fromEntries(wholeResources.flatMap((one) => (random.float() < 0.3 ? [[one, pick(plain)]] : []))),
    });
    const all = Array.from({ length: 1 + Math.floor(random.float() * 3) }, randomPolicy);
    const defaultPolicy = pick(["allow", "deny"] as const);
    const decider = compileRules(all, { key: "k", defaultPolicy });
    let isEverythingGiven = true;
    for (const resource of resources) {
      for (const access of accesses) {
        for (const name of names) {
          const given = decider.allows(resource, access, name);
          const what = `round ${round}: ${resource}:${access} on ${JSON.stringify(name)}`;
          expect([what, given]).toEqual([what, naiveAllows(all, defaultPolicy, { resource, access, name })]);
          isEverythingGiven &&= given;
          if (wholeResources.some((one) => one === resource)) continue;
          const below = naiveAll(all, defaultPolicy, { resource, access, prefix: name });
          expect([what, decider.allowsAll(resource, access, name)]).toEqual([what, below]);
        }
        if (wholeResources.some((one) => one === resource)) continue;
        const any = naiveAny(all, defaultPolicy, { resource, access });
        expect(decider.allowsAny(resource, access)).toBe(any);
      }
    }
    if (decider.isUnrestricted) expect(isEverythingGiven).toBe(true);
  }
});

test("ten thousand rules cost a question no more than ten", () => {
  const named = Array.from(
    { length: 10_000 },
    (_, i): NamedRule => ({
      resource: "key",
      name: `app/${i}/`,
      isPrefix: true,
      policy: i % 2 === 0 ? "read" : "deny",
    }),
  );
  const decider = compileRules([{ named, whole: {} }], deny);
  expect(decider.allows("key", "read", "app/9998/x")).toBe(true);
  expect(decider.allows("key", "read", "app/9999/x")).toBe(false);
  expect(decider.allowsAll("key", "read", "app/4/")).toBe(true);
  expect(decider.allowsAll("key", "read", "app/")).toBe(false);
});
