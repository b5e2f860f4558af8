import { describe, expect, test } from "bun:test";
import { intentionRules } from "../../agent/intention-rules.ts";
import { header, intention, permission } from "./sidecar-fixtures.ts";

const rulesFor = (...rules: ReturnType<typeof intention>[]) => intentionRules("web", { rules, defaultAction: "allow" });

describe("intentions", () => {
  test("become SPIFFE patterns in precedence order, whatever order they came in", () => {
    expect(
      rulesFor(
        intention("*", "*", "deny"),
        intention("api", "*", "allow"),
        intention("*", "web", "deny"),
        intention("db", "web", "allow"),
        intention("api", "web", "deny"),
      ),
    ).toEqual({
      default: "allow",
      rules: [
        { source: "spiffe://*/ns/default/dc/*/svc/api", action: "deny" },
        { source: "spiffe://*/ns/default/dc/*/svc/db", action: "allow" },
        { source: "spiffe://*/ns/default/dc/*/svc/*", action: "deny" },
        { source: "spiffe://*/ns/default/dc/*/svc/api", action: "allow" },
        { source: "spiffe://*/ns/default/dc/*/svc/*", action: "deny" },
      ],
    });
  });

  test("with permissions become permissions, every condition by its own name", () => {
    const permissions = [
      permission("deny", { PathExact: "/a", Methods: ["GET", "HEAD"] }),
      permission("allow", { PathPrefix: "/b" }),
      permission("allow", { PathRegex: "/c/[0-9]+" }),
      permission("deny", {
        Header: [
          header({ Present: true, Invert: true }),
          header({ Exact: "e", IgnoreCase: true }),
          header({ Prefix: "p" }),
          header({ Suffix: "s" }),
          header({ Contains: "c" }),
          header({ Regex: "r+" }),
        ],
      }),
    ];
    const field = { name: "x-a", invert: false, ignoreCase: false };
    expect(rulesFor({ ...intention("api", "web", "deny"), permissions }).rules).toEqual([
      {
        source: "spiffe://*/ns/default/dc/*/svc/api",
        permissions: [
          {
            action: "deny",
            path: { type: "exact", value: "/a", ignoreCase: false },
            headers: [],
            methods: ["GET", "HEAD"],
          },
          { action: "allow", path: { type: "prefix", value: "/b", ignoreCase: false }, headers: [], methods: [] },
          { action: "allow", path: { type: "regex", value: "/c/[0-9]+", ignoreCase: false }, headers: [], methods: [] },
          {
            action: "deny",
            headers: [
              { ...field, type: "present", value: "", invert: true },
              { ...field, type: "exact", value: "e", ignoreCase: true },
              { ...field, type: "prefix", value: "p" },
              { ...field, type: "suffix", value: "s" },
              { ...field, type: "contains", value: "c" },
              { ...field, type: "regex", value: "r+" },
            ],
            methods: [],
          },
        ],
      },
    ]);
  });

  test("for another destination are left out", () => {
    expect(rulesFor(intention("api", "other", "allow")).rules).toEqual([]);
  });

  test("with a source that no certificate can carry are left out and do not spoil the rest", () => {
    expect(rulesFor(intention("a/b", "web", "allow"), intention("api", "web", "allow")).rules).toEqual([
      { source: "spiffe://*/ns/default/dc/*/svc/api", action: "allow" },
    ]);
  });
});
