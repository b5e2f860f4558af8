import { describe, expect, test } from "bun:test";
import {
  formatTraceparent,
  joinTracestate,
  parseTraceparent,
} from "../../../../proxy/telemetry/tracing/trace-context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

describe("traceparent", () => {
  test.each([
    [`00-${traceId}-${spanId}-01`, 1],
    [`00-${traceId}-${spanId}-00`, 0],
    [`00-${traceId}-${spanId}-03`, 3],
    [`00-${traceId}-${spanId}-fd`, 1],
    [`cc-${traceId}-${spanId}-01`, 1],
    [`cc-${traceId}-${spanId}-01-what the future brings`, 1],
  ])("%s is read", (value, flags) => {
    expect(parseTraceparent(value)).toEqual({ traceId, spanId, flags });
  });

  test.each([
    "",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `cc-${traceId}-${spanId}-01.more`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-0x`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}0-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00_${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01 `,
    `00-${traceId}-${spanId}-01,00-${traceId}-${spanId}-01`,
  ])("%p is none", (value) => {
    expect(parseTraceparent(value)).toBeUndefined();
  });

  test("is written as version 00, whichever it was read as", () => {
    expect(formatTraceparent({ traceId, spanId, flags: 1 })).toBe(`00-${traceId}-${spanId}-01`);
  });
});

describe("tracestate", () => {
  test.each([
    [["a=1", "b=2"], "a=1,b=2"],
    [[" a=1 ,\t,b=x y"], "a=1,b=x y"],
    [["tenant@vendor=v", "1t@v=w"], "tenant@vendor=v,1t@v=w"],
    [[], ""],
  ])("%j goes on as %p", (values, joined) => {
    expect(joinTracestate(values)).toBe(joined);
  });

  test.each([
    ["a=1,a=2"],
    ["A=1"],
    ["a"],
    ["a="],
    ["a=b=c"],
    ["a=\x7f"],
    ["a@b@c=1"],
    ["=1"],
    [`a=${"x".repeat(257)}`],
  ])("%p breaks the rules and is dropped", (value) => {
    expect(joinTracestate([value])).toBe("");
  });

  test("has 32 members at most", () => {
    const members = Array.from({ length: 33 }, (_, i) => `k${i}=1`);
    expect(joinTracestate(members.slice(1))).toBe(members.slice(1).join(","));
    expect(joinTracestate(members)).toBe("");
  });
});
