import { expect, test } from "bun:test";
import { mustGet } from "../../../../lib/base/assert.ts";
import { parseProxyConfig } from "../../../../lib/contract/proxy-config.ts";
import { GrpcCheck } from "../../../../proxy/authz/ext-authz/grpc-check.ts";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { checkResponse, ResponseHead } from "../../../../proxy/message/response-head.ts";
import { createRng } from "../../../sim/random.ts";
import { testSeed, withSeed } from "../../http2/test-seed.ts";

/** What counts as an answer of gRPC, and what is none. */
function createCheck(): GrpcCheck {
  const listener = { service: "api", listen: "127.0.0.1:1", app: "127.0.0.1:2", intentions: { default: "deny" } };
  const extAuthz = { grpc: { address: "127.0.0.1:9191" } };
  const parsed = parseProxyConfig({
    identity: { certFile: "c", keyFile: "k", caFile: "r" },
    inbound: [{ ...listener, protocol: "http", extAuthz }],
    admin: { listen: "127.0.0.1:3" },
  });
  const { config } = mustGet(parsed.ok ? parsed : undefined, "the document is valid");
  const authz = mustGet(config.inbound[0]?.extAuthz, "it is configured");
  return new GrpcCheck(authz, mustGet(authz.grpc, "by gRPC"));
}

const check = createCheck();
const grpc = ["content-type", "application/grpc"];
const ok = ["grpc-status", "0"];
/** A message without a field, which allows. */
const allows = Buffer.from([0, 0, 0, 0, 0]);

function outcome(fields: readonly string[], body: Buffer, trailers?: readonly string[], status = "200") {
  const checked = checkResponse(new FieldBlock([":status", status, ...fields]));
  const head = mustGet(checked instanceof ResponseHead ? checked : undefined, "a valid response");
  return check.outcome({ head, body, trailers: trailers && new FieldBlock(trailers) });
}

test("one message and the status 0 behind it are an answer", () => {
  expect(outcome(grpc, allows, ok).kind).toBe("ok");
  expect(outcome(["content-type", "application/grpc+proto"], allows, ok).kind).toBe("ok");
});

test.each([
  ["another status of HTTP", "status 404", outcome(grpc, allows, ok, "404")],
  ["another content type", "no gRPC", outcome(["content-type", "text/plain"], allows, ok)],
  ["no content type", "no gRPC", outcome([], allows, ok)],
  ["no trailers", "no gRPC status", outcome(grpc, allows)],
  ["trailers without a status", "no gRPC status", outcome(grpc, allows, ["a", "b"])],
  ["a status that is none", "no gRPC status", outcome(grpc, allows, ["grpc-status", "00000"])],
  ["the status 0 in its head alone", "no gRPC status", outcome([...grpc, ...ok], allows, ["a", "b"])],
  ["another status of gRPC", "gRPC status 14", outcome(grpc, allows, ["grpc-status", "14"])],
  ["another one and no message", "gRPC status 7", outcome([...grpc, "grpc-status", "7"], Buffer.alloc(0))],
  ["the status 0 and no message", "no CheckResponse", outcome([...grpc, ...ok], Buffer.alloc(0))],
  ["half a prefix", "no CheckResponse", outcome(grpc, Buffer.from([0, 0, 0]), ok)],
  ["a compressed message", "no CheckResponse", outcome(grpc, Buffer.from([1, 0, 0, 0, 0]), ok)],
  ["less than its length says", "no CheckResponse", outcome(grpc, Buffer.from([0, 0, 0, 0, 2, 8]), ok)],
  ["more than its length says", "no CheckResponse", outcome(grpc, Buffer.from([0, 0, 0, 0, 0, 0]), ok)],
  ["two messages", "no CheckResponse", outcome(grpc, Buffer.concat([allows, allows]), ok)],
  ["a length beyond all memory", "no CheckResponse", outcome(grpc, Buffer.from([0, 255, 255, 255, 255]), ok)],
  ["a message that is broken", "no CheckResponse", outcome(grpc, Buffer.from([0, 0, 0, 0, 1, 255]), ok)],
])("an answer with %s is none", (_, reason, found) => {
  expect(found).toEqual({ kind: "failed", reason: expect.stringContaining(reason) });
});

test("an authorizer that says that its time is over is late", () => {
  expect(outcome(grpc, Buffer.alloc(0), ["grpc-status", "4"])).toEqual({ kind: "timeout" });
});

test("noise is no answer, or one that can be followed, and never throws", () => {
  const seed = testSeed();
  withSeed(seed, () => {
    const rng = createRng(seed);
    let failed = 0;
    for (let i = 0; i < 5_000; i++) {
      const body = Buffer.from(Array.from({ length: rng.below(40) }, () => rng.below(256)));
      const framed = Buffer.concat([allows, body]);
      if (rng.chance(0.8)) framed.writeUInt32BE(body.length, 1);
      if (outcome(grpc, framed, ok).kind === "failed") failed++;
    }
    expect(failed).toBeGreaterThan(4_000);
  });
});
