import { parseHcl } from "../base/hcl.ts";
import { type JsonParse, parseJsonText } from "../base/json-file.ts";
import {
  type NamedResource,
  type NamedRule,
  namedResources,
  type PolicyRules,
  type RuleAccess,
  stronger,
  type WholeResource,
  wholeResources,
} from "./policy-rules.ts";

export type ParsedRules =
  | { readonly ok: true; readonly rules: PolicyRules }
  /** Says where: the line of a syntax error, else the rule and its field. */
  | { readonly ok: false; readonly message: string };

/** Of one policy; Consul's examples have a few dozen. */
export const maxRulesChars = 512 * 1024;
const maxRules = 20_000;

/**
 * Reads the rules of a policy, in HCL or JSON. A resource, field or access that nobody knows is refused, where Consul passes
 * over it: a rule with a typing error would protect nothing, and nobody would notice.
 */
export function parseRules(text: string): ParsedRules {
  if (text.length > maxRulesChars) return { ok: false, message: `rules are longer than ${maxRulesChars} characters` };
  if (text.trim() === "") return { ok: true, rules: { named: [], whole: {} } };
  const parsed = parseText(text);
  if (!parsed.ok) return { ok: false, message: `line ${parsed.line}, column ${parsed.column}: ${parsed.message}` };
  try {
    return { ok: true, rules: readDocument(parsed.value) };
  } catch (thrown) {
    if (thrown instanceof RuleProblem) return { ok: false, message: thrown.message };
    throw thrown;
  }
}

function parseText(text: string): JsonParse {
  return text.trimStart().startsWith("{") ? parseJsonText(text) : parseHcl(text);
}

/** Ends the reading of one policy; never leaves this file. */
class RuleProblem extends Error {}

function readDocument(document: unknown): PolicyRules {
  const named: NamedRule[] = [];
  const whole: Partial<Record<WholeResource, RuleAccess>> = {};
  for (const [key, value] of entriesOf(document, "the rules")) {
    const wholeResource = wholeResources.find((one) => one === key);
    if (wholeResource !== undefined) {
      const access = mustAccess(value, key, wholeAccess);
      whole[wholeResource] = stronger(access, whole[wholeResource] ?? access);
      continue;
    }
    const isPrefix = key.endsWith("_prefix");
    const base = isPrefix ? key.slice(0, -"_prefix".length) : key;
    const resource = namedResources.find((one) => one === base);
    if (resource !== undefined) {
      for (const rule of readLabels(value, key)) named.push(namedRule(rule, { resource, isPrefix, key }));
    } else if (base === "identity") {
      // Of a kind of identity that there is not here; policies that come with Consul name it.
      for (const { name, body } of readLabels(value, key)) {
        for (const [field, given] of Object.entries(body)) mustAccess(given, `${key} "${name}": ${field}`, wholeAccess);
      }
    } else {
      throw new RuleProblem(`"${key}" is no resource: rules are of ${knownKeys}`);
    }
    if (named.length > maxRules) throw new RuleProblem(`more than ${maxRules} rules in one policy`);
  }
  return { named, whole };
}

const knownKeys = [...wholeResources, ...namedResources.flatMap((name) => [name, `${name}_prefix`])].join(", ");
const wholeAccess: readonly RuleAccess[] = ["read", "write", "deny"];
const keyAccess: readonly RuleAccess[] = ["read", "list", "write", "deny"];

function namedRule(
  rule: { readonly name: string; readonly body: Readonly<Record<string, unknown>> },
  { resource, isPrefix, key }: { readonly resource: NamedResource; readonly isPrefix: boolean; readonly key: string },
): NamedRule {
  const where = `${key} ${JSON.stringify(rule.name)}`;
  const known = resource === "service" ? ["policy", "intentions"] : ["policy"];
  const unknown = Object.keys(rule.body).find((field) => !known.includes(field));
  if (unknown !== undefined)
    throw new RuleProblem(`${where}: unknown field "${unknown}": it has ${known.join(" and ")}`);
  const { policy, intentions } = rule.body;
  return {
    resource,
    name: rule.name,
    isPrefix,
    policy: mustAccess(policy, `${where}: policy`, resource === "key" ? keyAccess : wholeAccess),
    ...(intentions !== undefined && { intentions: mustAccess(intentions, `${where}: intentions`, wholeAccess) }),
  };
}

/** `{ "name": { "policy": ... } }`, lists of such, and a list of bodies for a name that was written twice. */
function readLabels(value: unknown, key: string): { name: string; body: Record<string, unknown> }[] {
  const wanted = `${key} needs a name and a block, as in ${key} "web" { policy = "read" }`;
  return listOf(value).flatMap((labels) =>
    entriesOf(labels, key).flatMap(([name, bodies]) =>
      listOf(bodies).map((body) => {
        if (!isObject(body)) throw new RuleProblem(wanted);
        return { name, body };
      }),
    ),
  );
}

function mustAccess(value: unknown, where: string, allowed: readonly RuleAccess[]): RuleAccess {
  const access = allowed.find((one) => one === value);
  if (access !== undefined) return access;
  const found = value === undefined ? "nothing" : JSON.stringify(value)?.slice(0, 80);
  throw new RuleProblem(`${where} must be ${allowed.join(", ")}, found ${found}`);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function entriesOf(value: unknown, what: string): [string, unknown][] {
  if (isObject(value)) return Object.entries(value);
  throw new RuleProblem(`${what} must be an object, found ${JSON.stringify(value)?.slice(0, 80)}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
