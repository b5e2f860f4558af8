import { describe, expect, test } from "bun:test";
import type { Observation } from "../../../proxy/exchange/observation.ts";
import { isError, isFailure } from "../../../proxy/telemetry/outcome.ts";
import { longResponseFlags, responseFlags } from "../../../proxy/telemetry/response-flags.ts";
import { finished, requestHead } from "./finished-request.ts";

const call = requestHead(["content-type", "application/grpc", "te", "trailers"], "/S/M", "POST");
const grpc = (status: number): Observation => finished({ request: call, trailers: ["grpc-status", `${status}`] });

const lost = { refusal: "upstream_lost" } as const;

describe("a request", () => {
  test.each([
    ["that was answered well", finished(), false, false],
    ["whose client asked for the wrong thing", finished({ status: 404 }), true, false],
    ["whose server failed", finished({ status: 500 }), true, true],
    ["without an answer", finished({ status: 0 }, { refusal: "upstream_lost" }), true, true],
    ["whose client left before the answer", finished({ status: 0 }, { isClientGone: true }), true, false],
    ["whose client left amid the answer", finished({}, { isClientGone: true }), true, false],
    ["whose answer was cut off", finished({}, { refusal: "upstream_lost" }), true, true],
    ["whose answer stopped moving", finished({}, { refusal: "stream_idle_timeout" }), true, true],
    ["that was denied", finished({ status: 403 }, { refusal: "denied" }), true, false],
    ["that a fault held up", finished({}, { isDelayed: true }), true, false],
    ["that a fault held up and whose answer was cut off", finished({}, { ...lost, isDelayed: true }), true, true],
    ["that a fault answered", finished({ status: 418 }, { refusal: "fault_injected" }), true, false],
    ["of gRPC that went well", grpc(0), false, false],
    ["of gRPC that was not found", grpc(5), true, false],
    ["of gRPC that was late", grpc(4), true, true],
    ["of gRPC whose server was not there", grpc(14), true, true],
  ])("%s", (_, observation, isAnError, isAFailure) => {
    expect([isError(observation), isFailure(observation)]).toEqual([isAnError, isAFailure]);
  });
});

describe("the flags of a request", () => {
  test.each([
    [{}, "", "DI"],
    [{ refusal: "fault_injected" }, "FI", "DI,FI"],
    [{ refusal: "request_timeout" }, "UT", "UT,DI"],
    [{ refusal: "connect_failure", attempts: 2 }, "UF,URX", "UF,DI,URX"],
    [{ refusal: "stream_idle_timeout" }, "SI", "DI,SI"],
    [{ refusal: "denied" }, "", "DI"],
    [{ isClientGone: true }, "DC", "DI,DC"],
  ] as const)("with %p are %p, and %p when a fault held it up", (changes, flags, delayed) => {
    expect(responseFlags(finished({}, changes))).toBe(flags);
    expect(responseFlags(finished({}, { ...changes, isDelayed: true }))).toBe(delayed);
    expect(longResponseFlags(delayed)).toContain("DelayInjected");
  });
});
