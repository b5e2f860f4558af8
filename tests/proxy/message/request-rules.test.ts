import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import {
  canonicalRequest,
  canonicalTrailers,
  defaultRequestRules,
  type RequestRules,
} from "../../../proxy/message/request-rules.ts";

function head(start: string, fields: readonly string[] = [], neverIndexed: readonly number[] = []): RequestHead {
  const [method = "", path = ""] = start.split(" ");
  const all = [":method", method, ":scheme", "http", ":authority", "api", ":path", path, ...fields];
  const checked = checkRequest(new FieldBlock(all, neverIndexed));
  if (!(checked instanceof RequestHead)) throw new Error(checked);
  return checked;
}

/** The fields behind the pseudo-header fields that come out, or the answer. */
function rule(start: string, fields: readonly string[] = [], rules: Partial<RequestRules> = {}): unknown {
  const outcome = canonicalRequest(head(start, fields), { ...defaultRequestRules, ...rules });
  return outcome instanceof RequestHead ? outcome.block.fields.slice(8) : outcome;
}

describe("the path", () => {
  test("is given its one spelling, in the head and in its fields", () => {
    const outcome = canonicalRequest(head("GET /a/../%62?x=%62"), defaultRequestRules);
    expect(outcome).toMatchObject({ path: "/b?x=%62" });
    expect(outcome instanceof RequestHead && outcome.block.get(":path")).toBe("/b?x=%62");
  });

  test("is changed there, and not where another field has its name as value", () => {
    const outcome = canonicalRequest(head("GET /./a", ["x", ":path"]), defaultRequestRules);
    expect(outcome instanceof RequestHead && outcome.block.fields.slice(6)).toEqual([":path", "/a", "x", ":path"]);
  });

  test("that cannot have one is refused with the reason", () => {
    expect(rule("GET /a%00")).toEqual({ answer: "reject", problem: "escaped_nul" });
  });

  test("with an escaped slash sends the client on where the rules say so", () => {
    expect(rule("GET /a%2Fb", [], { escapedSlashes: "unescape-and-redirect" })).toEqual({
      answer: "redirect",
      location: "/a/b",
    });
  });
});

describe("a name with an underscore", () => {
  test("stays, is refused or goes, as the rules say", () => {
    const fields = ["x_user", "root", "x-user", "a"];
    expect(rule("GET /", fields)).toEqual(fields);
    expect(rule("GET /", fields, { underscores: "drop" })).toEqual(["x-user", "a"]);
    expect(rule("GET /", fields, { underscores: "reject" })).toEqual({
      answer: "reject",
      problem: "underscore_in_name",
    });
  });

  test("goes by any rule when it passes for a field of the way", () => {
    const fields = ["x_forwarded_client_cert", "1", "x-forwarded_for", "2", "x_atoll-peer", "3", "x_real_ip", "4"];
    expect(rule("GET /", fields)).toEqual([]);
  });
});

describe("what is said of the way", () => {
  test.each([
    ["X-Forwarded-For", ["x-forwarded-for", "1.1.1.1, 2.2.2.2"]],
    ["Forwarded", ["forwarded", 'for="[::1]";proto=https']],
    ["Via", ["via", "1.1 edge"]],
    ["X-Forwarded-Proto", ["x-forwarded-proto", "https"]],
    ["X-Forwarded-Host", ["x-forwarded-host", "shop.example"]],
    ["X-Request-Id", ["x-request-id", "7"]],
  ])("in one %s is passed on", (_name, fields) => {
    expect(rule("GET /", fields)).toEqual(fields);
  });

  test.each(["x-forwarded-for", "forwarded", "via", "x-forwarded-client-cert"])(
    "in several fields of %s becomes one list in their order",
    (name) => {
      expect(rule("GET /", [name, "a", "x", "1", name, "b", name, "c"])).toEqual([name, "a, b, c", "x", "1"]);
    },
  );

  test.each([
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-real-ip",
    "x-request-id",
  ])("in two fields of %s is one when they agree and refused when not", (name) => {
    expect(rule("GET /", [name, "a", name, "a"])).toEqual([name, "a"]);
    expect(rule("GET /", [name, "a", name, "b"])).toEqual({ answer: "reject", problem: "conflicting_forwarded" });
  });

  test.each(["x-atoll-peer", "x-envoy-internal", "x-envoy-external-address", "x-envoy-original-path"])(
    "in %s, which only a proxy could know, is removed",
    (name) => {
      expect(rule("GET /", [name, "1", "x-envoy-retry-on", "5xx"])).toEqual(["x-envoy-retry-on", "5xx"]);
    },
  );

  test("takes nothing from fields that may never be indexed", () => {
    const fields = ["x-atoll-a", "1", "authorization", "secret"];
    const outcome = canonicalRequest(head("GET /", fields, [10]), defaultRequestRules);
    expect(outcome instanceof RequestHead && outcome.block.neverIndexed).toEqual([8]);
  });
});

describe("Max-Forwards", () => {
  test("counts down for OPTIONS and TRACE only", () => {
    expect(rule("OPTIONS /", ["x", "max-forwards", "max-forwards", "3"])).toEqual([
      "x",
      "max-forwards",
      "max-forwards",
      "2",
    ]);
    expect(rule("TRACE /", ["max-forwards", "1"])).toEqual(["max-forwards", "0"]);
    expect(rule("GET /", ["max-forwards", "0"])).toEqual(["max-forwards", "0"]);
  });

  test("of zero ends here", () => {
    expect(rule("OPTIONS /", ["max-forwards", "0"])).toEqual({ answer: "last-hop" });
  });

  test.each([[["-1"]], [["x"]], [[""]], [["1", "1"]]])("of %p is refused", (values) => {
    expect(
      rule(
        "TRACE /",
        values.flatMap((value) => ["max-forwards", value]),
      ),
    ).toEqual({
      answer: "reject",
      problem: "bad_max_forwards",
    });
  });
});

describe("a head", () => {
  test("that has nothing to change is the same object", () => {
    const plain = head("GET /", ["accept", "*/*", "x_y", "1"]);
    expect(canonicalRequest(plain, defaultRequestRules)).toBe(plain);
  });

  test("that repeats is worked on once for the same rules, and again for others", () => {
    const shared = head("GET /a//../b%2f");
    shared.block.isShared = true;
    const first = canonicalRequest(shared, defaultRequestRules);
    expect(canonicalRequest(shared, defaultRequestRules)).toBe(first);
    expect(first instanceof RequestHead && first.block.isShared).toBe(true);
    const strict: RequestRules = { ...defaultRequestRules, escapedSlashes: "reject" };
    expect(canonicalRequest(shared, strict)).toEqual({ answer: "reject", problem: "escaped_slash" });
    expect(canonicalRequest(shared, defaultRequestRules)).toMatchObject({ path: "/a/b%2F" });
  });

  test("that is canonical stays so", () => {
    const once = canonicalRequest(head("GET /%61/./b", ["via", "a", "via", "b"]), defaultRequestRules);
    expect(once instanceof RequestHead && canonicalRequest(once, defaultRequestRules)).toBe(once);
  });
});

test("trailers lose what a head would lose", () => {
  const block = new FieldBlock(["x_forwarded_for", "1", "x_sum", "2", "x-sum", "3"]);
  expect(canonicalTrailers(block, defaultRequestRules).fields).toEqual(["x_sum", "2", "x-sum", "3"]);
  expect(canonicalTrailers(block, { ...defaultRequestRules, underscores: "reject" }).fields).toEqual(["x-sum", "3"]);
  const plain = new FieldBlock(["grpc-status", "0"]);
  expect(canonicalTrailers(plain, defaultRequestRules)).toBe(plain);
});
