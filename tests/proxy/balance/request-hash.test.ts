import { describe, expect, test } from "bun:test";
import { connectionHash, hostOf, requestHash } from "../../../proxy/balance/request-hash.ts";
import { backoffMs, retryAfterMs } from "../../../proxy/balance/retry-after.ts";
import { hashText } from "../../../proxy/balance/text-hash.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";

function head(path: string, ...fields: readonly string[]): RequestHead {
  const start = [":method", "GET", ":scheme", "http", ":authority", "api", ":path", path];
  const checked = checkRequest(new FieldBlock([...start, ...fields]));
  if (!(checked instanceof RequestHead)) throw new Error(checked);
  return checked;
}

const policy = (on: "header" | "cookie" | "query" | "source-ip", name = "", terminal = false) => ({
  on,
  name,
  terminal,
});

describe("a request's hash", () => {
  test("is that of a header, its values in one list, of a cookie, of a query parameter, of the client's address", () => {
    const hash = (...args: Parameters<typeof requestHash>) => requestHash(...args);
    expect(hash([policy("header", "X-User")], head("/", "x-user", "a"), "")).toBe(hashText("a"));
    expect(hash([policy("header", "x-user")], head("/", "x-user", "a", "x", "y", "x-user", "b"), "")).toBe(
      hashText("a, b"),
    );
    expect(hash([policy("cookie", "b")], head("/", "cookie", "a=b; b=c; b=d"), "")).toBe(hashText("c"));
    expect(hash([policy("cookie", "b")], head("/", "cookie", "a=1", "cookie", "b=2"), "")).toBe(hashText("2"));
    expect(hash([policy("query", "u")], head("/x?au=1&u=2&u=3"), "")).toBe(hashText("2"));
    expect(hash([policy("query", "u")], head("/x?u"), "")).toBe(hashText(""));
    expect(hash([policy("source-ip")], head("/"), hostOf("10.0.0.1:4711"))).toBe(hashText("10.0.0.1"));
    expect(hostOf("[::1]:4711")).toBe("[::1]");
  });

  test("is none when nothing of it is there", () => {
    const all = [policy("header", "a"), policy("cookie", "a"), policy("query", "a"), policy("source-ip")];
    expect(requestHash(all, head("/?b=1", "cookie", "ab=1; c"), "")).toBeUndefined();
    expect(connectionHash(all.slice(0, 3), "10.0.0.1")).toBeUndefined();
    expect(connectionHash(all, "10.0.0.1")).toBe(hashText("10.0.0.1"));
  });

  test("is of all that are there, in order, down to a terminal one", () => {
    const request = head("/", "a", "1", "b", "2");
    const [a, b] = [policy("header", "a"), policy("header", "b")];
    const both = requestHash([a, b], request, "");
    expect(both).not.toBe(hashText("1"));
    expect(both).not.toBe(requestHash([b, a], request, ""));
    expect(both).toBeGreaterThanOrEqual(0);
    expect(requestHash([policy("header", "a", true), b], request, "")).toBe(hashText("1"));
    expect(requestHash([policy("header", "c", true), b], request, "")).toBe(hashText("2"));
  });
});

describe("Retry-After", () => {
  const nowMs = Date.UTC(2026, 0, 1, 12);

  test("is seconds or a date, and nothing else", () => {
    expect(retryAfterMs("120", nowMs)).toBe(120_000);
    expect(retryAfterMs("Thu, 01 Jan 2026 12:00:30 GMT", nowMs)).toBe(30_000);
    expect(retryAfterMs("Thu, 01 Jan 2026 11:00:00 GMT", nowMs)).toBe(0);
    for (const text of ["", "-1", "1.5", "soon", "12:00", "99999999999", "Xyz, no date GMT"]) {
      expect(retryAfterMs(text, nowMs)).toBeUndefined();
    }
  });

  test("counts with 429 and 503, within the bound", () => {
    const limit = { nowMs, maxMs: 60_000 };
    expect([429, 503, 500, 200].map((status) => backoffMs(status, "10", limit))).toEqual([10_000, 10_000, 0, 0]);
    expect(backoffMs(503, "86400", limit)).toBe(60_000);
    expect(backoffMs(503, undefined, limit)).toBe(0);
    expect(backoffMs(503, "soon", limit)).toBe(0);
  });
});
