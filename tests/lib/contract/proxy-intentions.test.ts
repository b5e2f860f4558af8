import { expect, test } from "bun:test";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { mustGet } from "../../../lib/base/assert.ts";

const source = "spiffe://*/ns/default/dc/*/svc/web";

function parse(intentions: unknown) {
  return parseProxyConfig({
    identity: { certFile: "c", keyFile: "k", caFile: "r" },
    inbound: [{ service: "api", listen: "127.0.0.1:1", app: "127.0.0.1:2", intentions }],
    admin: { listen: "127.0.0.1:3" },
  });
}

function issuesOf(rule: unknown): string[] {
  const parsed = parse({ default: "deny", rules: [rule] });
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

test("every default of intentions is in the document", () => {
  const parsed = parse({ default: "deny", rules: [{ source, permissions: [{ action: "allow" }] }] });
  const { config } = mustGet(parsed.ok ? parsed : undefined, "the document is valid");
  expect(config.inbound[0]?.intentions).toEqual({
    default: "deny",
    rules: [{ source, permissions: [{ action: "allow", headers: [], methods: [] }], dryRun: false }],
    dryRun: false,
  });
});

test("a rule has exactly one of action and permissions", () => {
  const expected = ["inbound[0].intentions.rules[0]: must have either action or permissions"];
  expect(issuesOf({ source })).toEqual(expected);
  expect(issuesOf({ source, action: "deny", permissions: [{ action: "deny" }] })).toEqual(expected);
  expect(issuesOf({ source, action: "deny" })).toEqual([]);
  expect(issuesOf({ source, permissions: [] })[0]).toStartWith("inbound[0].intentions.rules[0].permissions: must not");
});

test("an issue of a permission names its place in the document", () => {
  const at = "inbound[0].intentions.rules[0].permissions[0]";
  const permission = (more: object) => ({ source, permissions: [{ action: "deny", ...more }] });
  expect(issuesOf(permission({ path: { type: "prefix", value: "admin" } }))).toEqual([
    `${at}.path.value: must begin with /, found "admin"`,
  ]);
  expect(issuesOf(permission({ path: { type: "regex", value: "/(" } }))[0]).toStartWith(
    `${at}.path.value: must be a regular expression of RE2`,
  );
  expect(issuesOf(permission({ headers: [{ name: "x", type: "prefix" }] }))).toEqual([
    `${at}.headers[0].value: must not be empty`,
  ]);
  expect(issuesOf(permission({ methods: ["GET POST"] }))[0]).toStartWith(`${at}.methods[0]: `);
  expect(issuesOf({ source: "web", action: "allow" })).toEqual([
    'inbound[0].intentions.rules[0].source: must be a SPIFFE id in which * stands for one whole segment, found "web"',
  ]);
});
