import { describe, expect, test } from "bun:test";
import protobuf from "protobufjs";
import { encodeHealthRequest, isServing } from "../../../../proxy/resilience/health-check/grpc-health.ts";

/** grpc.health.v1, as protobufjs reads it. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message HealthCheckRequest { string service = 1; }
  message HealthCheckResponse {
    enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
    ServingStatus status = 1;
    string later = 7;
    uint64 another = 9;
  }
`);
const Request = root.lookupType("HealthCheckRequest");
const Response = root.lookupType("HealthCheckResponse");

function framed(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function response(fields: object): Buffer {
  return framed(Response.encode(Response.fromObject(fields)).finish());
}

describe("a health request", () => {
  for (const service of ["", "a", "greeter.Greeter", "x".repeat(127), "x".repeat(128), "x".repeat(512), "größe"]) {
    test(`about ${service.length} characters "${service.slice(0, 16)}" is read by protobufjs`, () => {
      const bytes = encodeHealthRequest(service);
      expect(bytes[0]).toBe(0);
      expect(bytes.readUInt32BE(1)).toBe(bytes.length - 5);
      expect(Request.toObject(Request.decode(bytes.subarray(5)), { defaults: true })).toEqual({ service });
    });
  }
});

describe("a health response", () => {
  test("says SERVING or it does not", () => {
    expect(isServing(response({ status: 1 }))).toBe(true);
    for (const status of [0, 2, 3]) expect(isServing(response({ status }))).toBe(false);
  });

  test("may have fields that we do not know", () => {
    expect(isServing(response({ status: 1, later: "text of some length", another: "18446744073709551615" }))).toBe(
      true,
    );
    expect(isServing(response({ status: 1, later: "text of some length", another: 12_345 }))).toBe(true);
  });

  test("is not served by what is no message", () => {
    const good = response({ status: 1 });
    expect(isServing(Buffer.alloc(0))).toBe(false);
    expect(isServing(good.subarray(0, 6))).toBe(false);
    expect(isServing(Buffer.concat([good, good]))).toBe(false);
    // Compressed.
    expect(isServing(Buffer.concat([Buffer.from([1]), good.subarray(1)]))).toBe(false);
    expect(isServing(framed(Buffer.from([0x08])))).toBe(false);
    expect(isServing(framed(Buffer.from([0x08, ...Array.from({ length: 12 }, () => 0x80)])))).toBe(false);
    expect(isServing(framed(Buffer.from([0x08, 0x01, 0x0d, 0, 0, 0, 0])))).toBe(false);
    // A length that leads past the end.
    expect(isServing(framed(Buffer.from([0x08, 0x01, 0x12, 0x7f])))).toBe(false);
  });
});
