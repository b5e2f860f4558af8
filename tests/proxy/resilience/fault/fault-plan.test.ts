import { describe, expect, test } from "bun:test";
import Value from "typebox/value";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { FaultSchema } from "../../../../lib/contract/proxy-fault.ts";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../../proxy/message/request-head.ts";
import { FaultPlan } from "../../../../proxy/resilience/fault/fault-plan.ts";

const never = (): number => {
  throw new Error("nothing is to be drawn");
};

function plan(given: object): FaultPlan {
  return new FaultPlan(Value.Parse(FaultSchema, Value.Default(FaultSchema, given)));
}

function head(...fields: readonly string[]): RequestHead {
  const checked = checkRequest(
    new FieldBlock([":method", "GET", ":scheme", "http", ":authority", "api", ":path", "/", ...fields]),
  );
  if (!(checked instanceof RequestHead)) throw new Error(checked);
  return checked;
}

describe("a plan", () => {
  test("does nothing that is not said, and draws nothing for all or none", () => {
    const none = plan({});
    expect([none.delayMs(head(), never), none.abort(head(), never), none.limitKbps(head(), never)]).toEqual([
      0,
      undefined,
      0,
    ]);
    const all = plan({
      delay: { fixedDelayMs: 70, percent: 100 },
      abort: { httpStatus: 503, percent: 0 },
      bandwidth: { limitKbps: 9, percent: 100 },
    });
    expect([all.delayMs(head(), never), all.abort(head(), never), all.limitKbps(head(), never)]).toEqual([
      70,
      undefined,
      9,
    ]);
  });

  test.each([0.1, 12.5, 50, 99])("takes %p percent of 10,000 requests, each kind by itself", (percent) => {
    const random = createSeededRandom(7).float;
    const one = plan({
      delay: { fixedDelayMs: 1, percent },
      abort: { grpcStatus: 14, percent },
      bandwidth: { limitKbps: 1, percent },
    });
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 10_000; i++) {
      const hits = [
        one.delayMs(head(), random) > 0,
        one.abort(head(), random) !== undefined,
        one.limitKbps(head(), random) > 0,
      ];
      hits.forEach((isHit, k) => {
        if (isHit) counts[k] = (counts[k] ?? 0) + 1;
      });
      if (hits.every(Boolean)) counts[3] = (counts[3] ?? 0) + 1;
    }
    const share = percent / 100;
    // Four standard deviations of a binomial distribution, and the same for all three at once, which are independent.
    for (const [k, p] of [share, share, share, share ** 3].entries()) {
      const spread = 4 * Math.sqrt(10_000 * p * (1 - p)) + 1;
      expect(Math.abs((counts[k] ?? 0) - 10_000 * p)).toBeLessThan(spread);
    }
  });

  test.each([
    [{ httpStatus: 418 }, 418, undefined],
    [{ grpcStatus: 14 }, 503, 14],
    [{ grpcStatus: 7 }, 403, 7],
    [{ grpcStatus: 16 }, 401, 16],
  ] as const)("answers %p as HTTP says it", (abort, status, grpcStatus) => {
    const reply = plan({ abort: { ...abort, percent: 100 } }).abort(head(), never);
    expect([reply?.status, reply?.grpcStatus, reply?.reason, reply?.body]).toEqual([
      status,
      grpcStatus,
      "fault_injected",
      "fault filter abort\n",
    ]);
  });

  test("answers without a body where there can be none", () => {
    expect(plan({ abort: { httpStatus: 204, percent: 100 } }).abort(head(), never)?.body).toBe("");
  });
});

describe("a request that asks for a fault", () => {
  const asks = head(
    "x-envoy-fault-delay-request",
    "5000",
    "x-envoy-fault-abort-request",
    "429",
    "x-envoy-fault-throughput-response",
    "2",
  );

  test("gets none when it may not", () => {
    const one = plan({ headerControl: {} });
    expect([one.delayMs(asks, never), one.abort(asks, never), one.limitKbps(asks, never)]).toEqual([0, undefined, 0]);
  });

  test("gets it up to the bounds, in the place of what is configured", () => {
    const one = plan({
      delay: { fixedDelayMs: 1, percent: 100 },
      abort: { httpStatus: 500, percent: 100 },
      bandwidth: { limitKbps: 1_000, percent: 100 },
      headerControl: { maxDelayMs: 900, allowsAbort: true, minLimitKbps: 4 },
    });
    expect([one.delayMs(asks, never), one.abort(asks, never)?.status, one.limitKbps(asks, never)]).toEqual([
      900, 429, 4,
    ]);
    expect([one.delayMs(head(), never), one.abort(head(), never)?.status, one.limitKbps(head(), never)]).toEqual([
      1, 500, 1_000,
    ]);
  });

  test("may ask for a status of gRPC", () => {
    const one = plan({ headerControl: { allowsAbort: true } });
    const reply = one.abort(head("x-envoy-fault-abort-grpc-request", "8"), never);
    expect([reply?.status, reply?.grpcStatus]).toEqual([429, 8]);
  });

  test("may say a share, no larger than is allowed", () => {
    const one = plan({ headerControl: { maxDelayMs: 900, maxPercent: 40 } });
    const drawn = (percent: string, random: number): number =>
      one.delayMs(
        head("x-envoy-fault-delay-request", "10", "x-envoy-fault-delay-request-percentage", percent),
        () => random,
      );
    expect([drawn("90", 0.39), drawn("90", 0.41), drawn("10", 0.09), drawn("10", 0.11), drawn("x", 0.39)]).toEqual([
      10, 0, 10, 0, 10,
    ]);
  });

  test.each(["", "-5", "1e3", "99999999999", "12ms"])("is not understood when it says %p", (value) => {
    const one = plan({ headerControl: { maxDelayMs: 900, allowsAbort: true, minLimitKbps: 4 } });
    const odd = head(
      ...["delay-request", "abort-request", "throughput-response"].flatMap((name) => [`x-envoy-fault-${name}`, value]),
    );
    expect([one.delayMs(odd, never), one.abort(odd, never), one.limitKbps(odd, never)]).toEqual([0, undefined, 0]);
  });
});
