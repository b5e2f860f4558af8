import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../../lib/base/assert.ts";
import type { Allowance, FieldChange } from "../../../../proxy/authz/ext-authz/answer.ts";
import { denialReply } from "../../../../proxy/authz/ext-authz/denial-reply.ts";
import { changedRequest, changedResponse } from "../../../../proxy/authz/ext-authz/field-changes.ts";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../../proxy/message/request-head.ts";
import { checkResponse, ResponseHead } from "../../../../proxy/message/response-head.ts";

/** What an authorizer may change, and what it may not. */
function headOf(fields: readonly string[], path = "/a"): RequestHead {
  const pseudo = [":method", "POST", ":scheme", "http", ":authority", "api", ":path", path];
  const checked = checkRequest(new FieldBlock([...pseudo, ...fields]));
  return mustGet(checked instanceof RequestHead ? checked : undefined, "a valid request");
}

const nothing: Allowance = { kind: "ok", changes: [], removals: [], query: undefined, responseChanges: [] };

function changed(head: RequestHead, allowance: Partial<Allowance>) {
  let ignored = 0;
  const result = changedRequest(head, { ...nothing, ...allowance }, () => ignored++);
  return { fields: result?.block.fields.slice(8), path: result?.path, authority: result?.authority, ignored };
}

const change = (name: string, value: string, how: FieldChange["how"] = "overwrite"): FieldChange => ({
  name,
  value,
  how,
});

describe("a change of a request", () => {
  test("does what it is called", () => {
    const head = headOf(["a", "1", "b", "2", "a", "3"]);
    const fields = (...changes: FieldChange[]): readonly string[] | undefined => changed(head, { changes }).fields;
    expect(fields(change("a", "9"))).toEqual(["a", "9", "b", "2"]);
    expect(fields(change("c", "9"))).toEqual(["a", "1", "b", "2", "a", "3", "c", "9"]);
    expect(fields(change("b", "9", "add"))).toEqual(["a", "1", "b", "2", "a", "3", "b", "9"]);
    expect(fields(change("a", "9", "add-if-absent"))).toEqual(["a", "1", "b", "2", "a", "3"]);
    expect(fields(change("c", "9", "add-if-absent"))).toEqual(["a", "1", "b", "2", "a", "3", "c", "9"]);
    expect(fields(change("b", "9", "overwrite-if-exists"))).toEqual(["a", "1", "b", "9", "a", "3"]);
    expect(fields(change("c", "9", "overwrite-if-exists"))).toEqual(["a", "1", "b", "2", "a", "3"]);
    expect(changed(head, { removals: ["a"] }).fields).toEqual(["b", "2"]);
    // Removals come last, as in Envoy.
    expect(changed(head, { changes: [change("c", "9")], removals: ["c", "b"] }).fields).toEqual(["a", "1", "a", "3"]);
  });

  test("of nothing leaves the head as the object that it is", () => {
    const head = headOf([]);
    expect(changedRequest(head, nothing, () => undefined)).toBe(head);
  });

  const theirs = ["host", ":path", ":authority", ":method", "content-length", "transfer-encoding", "connection", "te"];
  const ours = [
    "x-forwarded-client-cert",
    "x_forwarded_client_cert",
    "x-atoll-hop",
    "x-envoy-internal",
    "content_length",
  ];
  test.each([...theirs, ...ours, "expect", "upgrade", "trailer", "keep-alive"])(
    "to %s is passed over, whether it is set, added or removed",
    (name) => {
      const head = headOf(["content-length", "4", "x-forwarded-client-cert", "By=us"]);
      for (const how of ["overwrite", "add", "add-if-absent", "overwrite-if-exists"] as const) {
        const { fields, path, authority, ignored } = changed(head, { changes: [change(name, "evil", how)] });
        expect([fields, path, authority, ignored]).toEqual([head.block.fields.slice(8), "/a", "api", 1]);
      }
      const { fields, ignored } = changed(head, { removals: [name] });
      expect([fields, ignored]).toEqual([head.block.fields.slice(8), 1]);
    },
  );

  test.each([
    ["a value with a line's end", change("a", "1\r\nb: 2")],
    ["a value with a NUL", change("a", "\0")],
    ["a name with a blank", change("a b", "1")],
    ["a name with a colon", change("a:b", "1")],
    ["a name with a line's end", change("a\r\nb", "1")],
    ["no name", change("", "1")],
  ])("with %s is not followed at all", (_, one) => {
    expect(changed(headOf([]), { changes: [change("ok", "1"), one] }).fields).toBeUndefined();
  });

  test("never makes two of what has one value, and keeps cookies in one field", () => {
    const head = headOf(["content-type", "a/b", "x-request-id", "1", "cookie", "a=1"]);
    const changes = [
      change("content-type", "c/d", "add"),
      change("x-request-id", "2", "add"),
      change("cookie", "b=2", "add"),
    ];
    expect(changed(head, { changes }).fields).toEqual([
      "content-type",
      "c/d",
      "x-request-id",
      "2",
      "cookie",
      "a=1; b=2",
    ]);
  });

  test("takes blanks from the ends of a value, and lets bytes be bytes", () => {
    expect(changed(headOf([]), { changes: [change("a", " \tcaf\xe9 ")] }).fields).toEqual(["a", "caf\xe9"]);
  });
});

describe("a change of a query", () => {
  const query = (path: string, set: readonly (readonly [string, string])[], remove: readonly string[] = []) =>
    changed(headOf([], path), { query: { set, remove } }).path;

  test("sets and removes parameters by their decoded names, and touches nothing else", () => {
    expect(query("/a%2Fb?x=1&y=2&x=3", [["x", "9"]])).toBe("/a%2Fb?x=9&y=2");
    expect(query("/a?%78=1", [["x", "9"]])).toBe("/a?x=9");
    expect(query("/a", [["x", "9"]])).toBe("/a?x=9");
    expect(query("/a?x=1&y=2", [], ["x"])).toBe("/a?y=2");
    expect(query("/a?x=1", [], ["x"])).toBe("/a");
    expect(query("/a?x=1&&y", [], ["z"])).toBe("/a?x=1&&y");
  });

  test("is escaped, so that it can be nothing but a parameter", () => {
    expect(query("/a", [["é&=", "# ?/\r\n"]])).toBe("/a?%C3%A9%26%3D=%23%20%3F%2F%0D%0A");
  });
});

describe("a change of a response", () => {
  const response = (): ResponseHead => {
    const checked = checkResponse(new FieldBlock([":status", "200", "content-length", "2", "set-cookie", "a=1"]));
    return mustGet(checked instanceof ResponseHead ? checked : undefined, "a valid response");
  };

  test("adds to it, and cannot frame it", () => {
    let ignored = 0;
    const changes = [change("set-cookie", "b=2", "add"), change("content-length", "9"), change(":status", "500")];
    const edited = changedResponse(response(), changes, () => ignored++);
    expect(edited.block.fields.slice(2)).toEqual(["content-length", "2", "set-cookie", "a=1", "set-cookie", "b=2"]);
    expect([edited.status, ignored]).toEqual([200, 2]);
  });

  test("that is none leaves it as it is", () => {
    const head = response();
    expect(changedResponse(head, [change("a", "1"), change("b", "\n")], () => undefined)).toBe(head);
  });
});

describe("a denial", () => {
  const denial = { kind: "denied", status: 401, grpcStatus: 16, fields: [], body: "no" } as const;

  test("has what it says but for what frames the answer", () => {
    const fields = [
      "content-type",
      "text/html",
      "set-cookie",
      "a",
      "set-cookie",
      "b",
      "content-length",
      "99",
      ":status",
      "200",
    ];
    let ignored = 0;
    expect(denialReply({ ...denial, fields }, false, () => ignored++)).toEqual({
      action: "reply",
      status: 401,
      contentType: "text/html",
      body: "no",
      fields: ["set-cookie", "a", "set-cookie", "b"],
      grpcStatus: 16,
      reason: "ext_authz_denied",
    });
    expect(ignored).toBe(2);
  });

  test("that could split the answer is none", () => {
    for (const fields of [
      ["a", "1\r\n\r\nHTTP/1.1 200 OK"],
      ["a\r\nb", "1"],
    ]) {
      expect(denialReply({ ...denial, fields }, false, () => undefined)).toBeUndefined();
    }
  });

  test("says to a gRPC client as much as fits into a field", () => {
    expect(denialReply({ ...denial, body: "x".repeat(5_000) }, true, () => undefined)?.body.length).toBe(1_024);
  });
});
