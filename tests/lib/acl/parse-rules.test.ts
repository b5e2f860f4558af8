import { expect, test } from "bun:test";
import { parseRules } from "../../../lib/acl/parse-rules.ts";
import { policyTemplates, renderTemplate } from "../../../lib/acl/templates.ts";

const hcl = `
# everything that a policy can say
acl = "read"
operator = "write"
service "web" {
  policy = "write"
  intentions = "read"
}
service_prefix "" { policy = "read" }
key_prefix "app/" { policy = "list" }
node "vm1" { policy = "deny" }
`;
const json = JSON.stringify({
  acl: "read",
  operator: "write",
  service: { web: { policy: "write", intentions: "read" } },
  service_prefix: { "": { policy: "read" } },
  key_prefix: { "app/": { policy: "list" } },
  node: { vm1: { policy: "deny" } },
});

test("HCL and JSON come to the same rules", () => {
  const parsed = parseRules(hcl);
  expect(parsed).toEqual(parseRules(json));
  expect(parsed).toEqual({
    ok: true,
    rules: {
      whole: { acl: "read", operator: "write" },
      named: [
        { resource: "service", name: "web", isPrefix: false, policy: "write", intentions: "read" },
        { resource: "service", name: "", isPrefix: true, policy: "read" },
        { resource: "key", name: "app/", isPrefix: true, policy: "list" },
        { resource: "node", name: "vm1", isPrefix: false, policy: "deny" },
      ],
    },
  });
});

test("every resource of Consul is known, with and without a prefix", () => {
  for (const name of ["agent", "event", "key", "node", "query", "service", "session"]) {
    expect(parseRules(`${name} "a" { policy = "read" } ${name}_prefix "" { policy = "write" }`).ok).toBe(true);
  }
  for (const name of ["acl", "keyring", "mesh", "operator", "peering"]) {
    for (const policy of ["read", "write", "deny"]) expect(parseRules(`${name} = "${policy}"`).ok).toBe(true);
  }
  expect(parseRules("")).toEqual({ ok: true, rules: { named: [], whole: {} } });
});

test("a name that is written twice, and JSON lists of names, are several rules", () => {
  const twice = parseRules('key "a" { policy = "read" } key "a" { policy = "write" }');
  expect(twice.ok && twice.rules.named.map(({ policy }) => policy)).toEqual(["read", "write"]);
  const list = parseRules('{"key": [{"a": {"policy": "read"}}, {"b": [{"policy": "write"}]}]}');
  expect(list.ok && list.rules.named.map(({ name }) => name)).toEqual(["a", "b"]);
});

test.each([
  ['service "web" { policy = "rite" }', 'service "web": policy must be read, write, deny, found "rite"'],
  ['service "web" { policy = "list" }', 'service "web": policy must be read, write, deny, found "list"'],
  ['key "a" { }', 'key "a": policy must be read, list, write, deny, found nothing'],
  ['service "web" { policy = "read" intention = "write" }', 'service "web": unknown field "intention"'],
  [
    'service "web" { policy = "read" intentions = "x" }',
    'service "web": intentions must be read, write, deny, found "x"',
  ],
  ['servise "web" { policy = "read" }', '"servise" is no resource: rules are of acl, '],
  ['acl_prefix "" { policy = "read" }', '"acl_prefix" is no resource'],
  ['acl = "list"', 'acl must be read, write, deny, found "list"'],
  ['acl "" { policy = "read" }', "acl must be read, write, deny, found {"],
  ['service = "read"', 'service must be an object, found "read"'],
  ['{"service": {"web": "read"}}', "service needs a name and a block"],
  ['service "web" {\n  policy = \n}', "line 3, column 1"],
  ['{"acl": "read",}', "line 1, column 16"],
  ["[]", "line 1"],
])("%s is refused with the place: %s", (text, message) => {
  const parsed = parseRules(text);
  expect(parsed.ok ? "taken" : parsed.message).toContain(message);
});

test("hostile text is refused and never throws", () => {
  for (const text of [
    "{".repeat(100_000),
    `acl = "${"x".repeat(600_000)}"`,
    '{"__proto__": {"a": 1}}',
    "\u0000",
    'key "__proto__" { policy = "read" }',
  ])
    expect(parseRules(text).ok).toBe(false);
});

test("every template can be read", () => {
  for (const template of policyTemplates) {
    expect([template.name, parseRules(renderTemplate(template, "web")).ok]).toEqual([template.name, true]);
  }
});
