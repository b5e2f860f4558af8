import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../lib/base/assert.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { type CallerRules, compileIntentions, judgeRequest } from "../../../proxy/authz/intentions.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import type { Verdict } from "../../../proxy/message/verdict.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";

const sourceOf = (service: string): string => `spiffe://*/ns/default/dc/*/svc/${service}`;
const uriOf = (service: string): string => `spiffe://t/ns/default/dc/dc1/svc/${service}`;

function compile(intentions: unknown) {
  const parsed = parseProxyConfig({
    identity: { certFile: "c", keyFile: "k", caFile: "r" },
    inbound: [{ service: "api", listen: "127.0.0.1:1", app: "127.0.0.1:2", protocol: "http", intentions }],
    admin: { listen: "127.0.0.1:3" },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return compileIntentions(mustGet(parsed.config.inbound[0], "one listener").intentions);
}

function request(start: string, fields: readonly string[] = []): RequestHead {
  const [method = "", path = ""] = start.split(" ");
  const head = checkRequest(
    new FieldBlock([":method", method, ":scheme", "http", ":authority", "api", ":path", path, ...fields]),
  );
  return mustGet(head instanceof RequestHead ? head : undefined, "a valid request");
}

function verdictOf(rules: CallerRules, head: RequestHead): Verdict {
  const verdict = judgeRequest(rules, head);
  if ("settled" in verdict) throw new Error("nothing here needs to be waited for");
  return verdict;
}

/** The outcome as a word, and the rule. */
function judge(intentions: unknown, start: string, { caller = "web", fields = [] as readonly string[] } = {}): string {
  const verdict = verdictOf(compile(intentions)(uriOf(caller)), request(start, fields));
  const word = verdict.isDryRun ? "dry-run" : verdict.isAllowed ? "allow" : "deny";
  return `${word} by ${verdict.rule}`;
}

describe("permissions:", () => {
  const readOnly = {
    default: "deny",
    rules: [
      { source: sourceOf("batch"), action: "allow" },
      {
        source: sourceOf("web"),
        permissions: [
          { action: "deny", path: { type: "prefix", value: "/admin" } },
          { action: "allow", methods: ["GET"], headers: [{ name: "x-team", type: "exact", value: "a" }] },
          { action: "allow", path: { type: "exact", value: "/health" } },
        ],
      },
      { source: sourceOf("*"), action: "allow" },
    ],
  };
  const web = `(${sourceOf("web")})`;

  test("the first that matches decides", () => {
    expect(judge(readOnly, "GET /admin/x", { fields: ["x-team", "a"] })).toBe(`deny by rules[1].permissions[0] ${web}`);
    expect(judge(readOnly, "GET /x", { fields: ["x-team", "a"] })).toBe(`allow by rules[1].permissions[1] ${web}`);
    expect(judge(readOnly, "GET /health?a")).toBe(`allow by rules[1].permissions[2] ${web}`);
  });

  test("where none matches the default decides, never a later rule", () => {
    expect(judge(readOnly, "POST /x")).toBe(`deny by default, no permission of rules[1] ${web}`);
    expect(judge({ ...readOnly, default: "allow" }, "POST /x")).toStartWith("allow by default");
  });

  test("other callers are judged by their own rules", () => {
    expect(judge(readOnly, "POST /admin", { caller: "batch" })).toBe(`allow by rules[0] (${sourceOf("batch")})`);
    expect(judge(readOnly, "POST /admin", { caller: "other" })).toBe(`allow by rules[2] (${sourceOf("*")})`);
  });

  test("a connection whose requests are not read is denied, whatever they say and whatever the default is", () => {
    const rules = [{ source: sourceOf("web"), permissions: [{ action: "allow" }] }];
    const { connection } = compile({ default: "allow", rules })(uriOf("web"));
    expect(connection).toEqual({ isAllowed: false, rule: `rules[0] ${web}`, isDryRun: false });
  });

  test("an upgrade is the GET that an application sees which overlooks it", () => {
    const noGets = {
      default: "allow",
      rules: [{ source: sourceOf("web"), permissions: [{ action: "deny", methods: ["GET"] }] }],
    };
    const fields = [":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a", ":path", "/"];
    const upgrade = checkRequest(new FieldBlock(fields));
    const head = mustGet(upgrade instanceof RequestHead ? upgrade : undefined, "a valid request");
    expect(verdictOf(compile(noGets)(uriOf("web")), head).isAllowed).toBe(false);
  });
});

describe("a field in several lines", () => {
  const withHeader = (action: string, header: object) => ({
    default: action === "allow" ? "deny" : "allow",
    rules: [{ source: sourceOf("web"), permissions: [{ action, headers: [{ name: "x-role", ...header }] }] }],
  });
  const fields = ["x-role", "user", "x-role", "admin"];
  const outcome = (intentions: unknown): string => judge(intentions, "GET /", { fields }).slice(0, 5).trim();

  test("is denied when any of them is what is denied", () => {
    expect(outcome(withHeader("deny", { type: "exact", value: "admin" }))).toBe("deny");
    expect(outcome(withHeader("deny", { type: "exact", value: "user" }))).toBe("deny");
    expect(outcome(withHeader("deny", { type: "exact", value: "other" }))).toBe("allow");
  });

  test("is not allowed for what one of them alone says", () => {
    expect(outcome(withHeader("allow", { type: "exact", value: "user" }))).toBe("deny");
    expect(outcome(withHeader("allow", { type: "exact", value: "admin", invert: true }))).toBe("deny");
    expect(outcome(withHeader("allow", { type: "exact", value: "other", invert: true }))).toBe("allow");
  });
});

describe("dry run", () => {
  const rules = [
    { source: sourceOf("web"), action: "deny", dryRun: true },
    { source: sourceOf("batch"), permissions: [{ action: "allow", methods: ["GET"] }], dryRun: true },
    { source: sourceOf("other"), action: "deny" },
  ];

  test("of a rule lets through what that rule denies, also by matching none of its permissions", () => {
    const intentions = { default: "deny", rules };
    expect(judge(intentions, "GET /")).toBe(`dry-run by rules[0] (${sourceOf("web")})`);
    expect(judge(intentions, "POST /", { caller: "batch" })).toStartWith(
      "dry-run by default, no permission of rules[1]",
    );
    expect(judge(intentions, "GET /", { caller: "batch" })).toStartWith("allow by rules[1].permissions[0]");
    expect(judge(intentions, "GET /", { caller: "other" })).toStartWith("deny by rules[2]");
    expect(judge(intentions, "GET /", { caller: "nobody" })).toBe("deny by default");
  });

  test("of all of them lets everything through", () => {
    const intentions = { default: "deny", rules, dryRun: true };
    expect(judge(intentions, "GET /", { caller: "other" })).toStartWith("dry-run by rules[2]");
    expect(judge(intentions, "GET /", { caller: "nobody" })).toBe("dry-run by default");
  });
});

test("a request that repeats is judged once for all callers of a rule, and again by other rules", () => {
  const document = {
    default: "deny",
    rules: [{ source: sourceOf("*"), permissions: [{ action: "allow", path: { type: "exact", value: "/a" } }] }],
  };
  const rules = compile(document)(uriOf("web"));
  const head = request("GET /a");
  head.block.isShared = true;
  const verdict = verdictOf(rules, head);
  expect([head.block.verdict, head.block.judgedBy]).toEqual([verdict, rules]);
  expect(verdictOf(compile({ default: "deny" })(uriOf("web")), head).isAllowed).toBe(false);
  const other = compile({
    ...document,
    default: "allow",
    rules: [{ ...document.rules[0], permissions: [{ action: "deny" }] }],
  });
  expect(verdictOf(other(uriOf("web")), head).isAllowed).toBe(false);
});
