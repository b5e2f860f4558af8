import { describe, expect, test } from "bun:test";
import {
  encodeGrpcMessage,
  grpcKindOf,
  grpcStatusOf,
  httpStatusOfGrpc,
  messageFormatOf,
  parseGrpcTimeout,
} from "../../../proxy/message/grpc.ts";

test.each([
  ["application/grpc", "grpc", ""],
  ["application/grpc+proto", "grpc", "+proto"],
  ["Application/GRPC+json; charset=utf-8", "grpc", "+json"],
  ["application/grpc;x=1", "grpc", ""],
  ["application/grpc-web", "grpc-web", ""],
  ["application/grpc-web+proto", "grpc-web", "+proto"],
  ["application/grpc-web-text+proto", "grpc-web-text", "+proto"],
  ["application/grpc-web-texts", "", ""],
  ["application/grpcweb", "", ""],
  ["application/json", "", ""],
  ["", "", ""],
] as const)("the content type %p is %p with messages as %p", (contentType, kind, format) => {
  expect(grpcKindOf(contentType)).toBe(kind);
  expect(messageFormatOf(contentType)).toBe(format);
});

describe("grpc-timeout", () => {
  test.each([
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3_000],
    ["4m", 4],
    ["5000u", 5],
    ["6000000n", 6],
    ["99999999n", 99.999999],
    ["007m", 7],
  ])("%p is %p ms", (value, expected) => {
    expect(parseGrpcTimeout(value)).toBeCloseTo(expected, 6);
  });

  test.each([
    "",
    "5",
    "S",
    "0S",
    "000m",
    "-1S",
    "+1S",
    "1.5S",
    "1 S",
    " 1S",
    "1S ",
    "1s",
    "1h",
    "123456789m",
    "1SS",
    "1e3m",
  ])("%p is no timeout", (value) => {
    expect(parseGrpcTimeout(value)).toBe(-1);
  });
});

test("an HTTP status is told as gRPC and Envoy tell it", () => {
  const statuses = [400, 401, 403, 404, 429, 502, 503, 504, 408, 500, 501, 307];
  expect(statuses.map(grpcStatusOf)).toEqual([13, 16, 7, 12, 14, 14, 14, 14, 2, 2, 2, 2]);
});

test("a message keeps visible ASCII and has the rest percent-encoded as UTF-8", () => {
  expect(encodeGrpcMessage("a b~")).toBe("a b~");
  expect(encodeGrpcMessage("100%\n\x7f ü€")).toBe("100%25%0A%7F %C3%BC%E2%82%AC");
});

test("a status of gRPC means in terms of HTTP what it does to Envoy, and what is none is a failure", () => {
  const expected = {
    "0": 200,
    "1": 499,
    "2": 500,
    "3": 400,
    "4": 504,
    "5": 404,
    "6": 409,
    "7": 403,
    "8": 429,
    "9": 400,
    "10": 409,
    "11": 400,
    "12": 501,
    "13": 500,
    "14": 503,
    "15": 500,
    "16": 401,
  };
  for (const [status, http] of Object.entries(expected))
    expect([status, httpStatusOfGrpc(status)]).toEqual([status, http]);
  for (const status of ["", "17", "99", "-1", "1e1", "200", "ok"]) expect(httpStatusOfGrpc(status)).toBe(500);
});
