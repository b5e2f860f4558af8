import { describe, expect, test } from "bun:test";
import Value from "typebox/value";
import { type RetryCondition, RetrySchema } from "../../../lib/contract/proxy-resilience.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { checkResponse, ResponseHead } from "../../../proxy/message/response-head.ts";
import { RetryPolicy, retryAfterMs } from "../../../proxy/resilience/retry-policy.ts";

function policy(more: object = {}): RetryPolicy {
  return new RetryPolicy(Value.Parse(RetrySchema, Value.Default(RetrySchema, { attempts: 3, ...more })));
}

function response(status: number, ...fields: readonly string[]): ResponseHead {
  const head = checkResponse(new FieldBlock([":status", `${status}`, ...fields]));
  if (!(head instanceof ResponseHead)) throw new Error(head);
  return head;
}

function request(method: string, ...fields: readonly string[]): RequestHead {
  const head = checkRequest(
    new FieldBlock([":method", method, ":scheme", "http", ":authority", "api", ":path", "/", ...fields]),
  );
  if (!(head instanceof RequestHead)) throw new Error(head);
  return head;
}

const call = request("POST", "content-type", "application/grpc");

describe("a response is tried again after", () => {
  const statuses: readonly (readonly [RetryCondition, readonly number[]])[] = [
    ["5xx", [500, 501, 502, 503, 504, 599]],
    ["gateway-error", [502, 503, 504]],
    ["retriable-4xx", [409]],
    ["retriable-status-codes", [425, 500]],
    ["connect-failure", []],
    ["reset", []],
    ["unavailable", []],
  ];
  test.each(statuses)("by %s when its status is one of %p", (condition, expected) => {
    const one = policy({ on: [condition], statusCodes: [425, 500] });
    const seen = [200, 304, 404, 409, 425, 429, 500, 501, 502, 503, 504, 599].filter((status) =>
      one.retriesResponse(response(status), request("GET")),
    );
    expect(seen).toEqual([...expected]);
  });

  test("with a method that changes nothing when repeated, or one that is listed", () => {
    const methods = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"];
    const seen = (one: RetryPolicy) => methods.filter((name) => one.retriesResponse(response(503), request(name)));
    expect(seen(policy())).toEqual(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]);
    expect(seen(policy({ methods: ["POST"] }))).toEqual(["POST"]);
  });

  test.each([
    ["cancelled", 1],
    ["deadline-exceeded", 4],
    ["resource-exhausted", 8],
    ["internal", 13],
    ["unavailable", 14],
  ] as const)("by %s when a gRPC call has the status %d", (condition, expected) => {
    const one = policy({ on: [condition] });
    const seen = Array.from({ length: 17 }, (_, status) => status).filter((status) =>
      one.retriesResponse(response(200, "grpc-status", `${status}`), call),
    );
    expect(seen).toEqual([expected]);
    expect(one.retriesResponse(response(200, "grpc-status", `${expected}`), request("GET"))).toBe(false);
  });
});

test("what the server cannot have acted on is tried again with any method, a reset only with some", () => {
  const one = policy();
  expect(one.retriesFailure("connect-failure", "POST")).toBe(true);
  expect(one.retriesFailure("refused-stream", "POST")).toBe(true);
  expect(one.retriesFailure("reset", "POST")).toBe(false);
  expect(one.retriesFailure("reset", "GET")).toBe(true);
  expect(policy({ on: ["5xx"] }).retriesFailure("reset", "GET")).toBe(true);
  expect(policy({ on: ["retriable-4xx"] }).retriesFailure("connect-failure", "GET")).toBe(false);
});

test("pauses are from nothing to a bound that doubles up to the longest", () => {
  const one = policy();
  const bounds = [1, 2, 3, 4, 5, 6].map((retry) => one.delayMs(retry, 1, undefined));
  expect(bounds).toEqual([25, 50, 100, 200, 250, 250]);
  expect(one.delayMs(3, 0.5, undefined)).toBe(50);
  expect(one.delayMs(3, 0, undefined)).toBe(0);
});

test("Retry-After is kept up to its bound, and who asks for more is not tried again", () => {
  const one = policy({ backoff: { maxRetryAfterMs: 2_000 } });
  expect(one.delayMs(1, 0.5, response(503, "retry-after", "2"))).toBe(2_000);
  expect(one.delayMs(1, 0.5, response(503, "retry-after", "3"))).toBe(-1);
  expect(one.delayMs(1, 0.5, response(503, "retry-after", "0"))).toBe(12.5);
  expect(one.delayMs(1, 0.5, response(503, "retry-after", "soon"))).toBe(12.5);
});

test("Retry-After as a date is read by the server's own clock", () => {
  const date = "Wed, 21 Oct 2026 07:28:00 GMT";
  expect(retryAfterMs(response(503, "date", date, "retry-after", "Wed, 21 Oct 2026 07:28:04 GMT"))).toBe(4_000);
  expect(retryAfterMs(response(503, "date", date, "retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"))).toBe(0);
  expect(retryAfterMs(response(503, "retry-after", date))).toBe(-1);
});
