import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../../lib/base/assert.ts";
import type { CheckOutcome } from "../../../../proxy/authz/ext-authz/answer.ts";
import { encodeCheckRequest } from "../../../../proxy/authz/ext-authz/check-request.ts";
import { decodeCheckResponse } from "../../../../proxy/authz/ext-authz/check-response.ts";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../../proxy/message/request-head.ts";
import { createRng } from "../../../sim/random.ts";
import { testSeed, withSeed } from "../../http2/test-seed.ts";
import { decodedRequest, encodedResponse } from "./authz-proto.ts";

/** Checks and their answers as protobufjs reads and writes them. */
const peers = {
  callerUri: "spiffe://t/ns/default/dc/dc1/svc/web",
  ownUri: "spiffe://t/ns/default/dc/dc1/svc/api",
  callerAddress: "[::1]:4321",
  ownAddress: "127.0.0.1:20000",
  protocol: "HTTP/2",
  callerCertificate: () => "-----BEGIN\n+/=",
} as const;

function headOf(path: string, fields: readonly string[] = [], method = "GET"): RequestHead {
  const pseudo = [":method", method, ":scheme", "http", ":authority", "api", ":path", path];
  const checked = checkRequest(new FieldBlock([...pseudo, ...fields]));
  return mustGet(checked instanceof RequestHead ? checked : undefined, "a valid request");
}

interface Encoding {
  readonly isSent?: (name: string) => boolean;
  readonly isRaw?: boolean;
}

function httpOf(head: RequestHead, { isSent = () => true, isRaw = false }: Encoding = {}): Record<string, unknown> {
  const subject = { peers, head, id: "one", nowMs: 1_700_000_000_123 };
  const bytes = encodeCheckRequest({
    subject,
    isSent,
    isRaw,
    hasCertificate: false,
    contextExtensions: [["a", "b"]],
    prefixBytes: 0,
  });
  const { attributes } = decodedRequest(bytes) as { attributes: { request: { http: Record<string, unknown> } } };
  return attributes.request.http;
}

describe("a check request", () => {
  test("says who calls whom, when, and what", () => {
    const head = headOf("/a?b=c", ["x-a", "1", "cookie", "s=1", "x-a", "2", "content-length", "12"], "POST");
    const subject = { peers, head, id: "one", nowMs: 1_700_000_000_123 };
    const options = {
      subject,
      isSent: () => true,
      isRaw: false,
      hasCertificate: true,
      contextExtensions: [["a", "b"]] as const,
    };
    expect(decodedRequest(encodeCheckRequest({ ...options, prefixBytes: 0 }))).toEqual({
      attributes: {
        source: {
          address: { socketAddress: { address: "::1", portValue: 4321 } },
          principal: peers.callerUri,
          certificate: "-----BEGIN%0A%2B%2F%3D",
        },
        destination: {
          address: { socketAddress: { address: "127.0.0.1", portValue: 20000 } },
          principal: peers.ownUri,
        },
        request: {
          time: { seconds: 1_700_000_000, nanos: 123_000_000 },
          http: {
            id: "one",
            method: "POST",
            headers: {
              ":method": "POST",
              ":scheme": "http",
              ":authority": "api",
              ":path": "/a?b=c",
              "x-a": "1,2",
              cookie: "s=1",
              "content-length": "12",
            },
            path: "/a?b=c",
            host: "api",
            scheme: "http",
            size: 12,
            protocol: "HTTP/2",
          },
        },
        contextExtensions: { a: "b" },
      },
    });
  });

  test("has the size -1 where none is said, and an upgrade is the GET that it is to the application", () => {
    const upgrade = headOf("/chat", [":protocol", "websocket"], "CONNECT");
    expect(httpOf(upgrade)).toMatchObject({ method: "GET", size: -1, headers: { ":method": "GET" } });
  });

  test("leaves out what is not to be sent, in both forms", () => {
    const head = headOf("/", ["authorization", "secret", "x-a", "1"]);
    const isSent = (name: string): boolean => name !== "authorization";
    for (const isRaw of [false, true]) expect(JSON.stringify(httpOf(head, { isSent, isRaw }))).not.toContain("secret");
  });

  test("has bytes that are no UTF-8 as ! in headers, and as they are in a header map", () => {
    const head = headOf("/", ["x-a", "caf\xe9", "x-b", Buffer.from("café").toString("latin1")]);
    expect(httpOf(head)["headers"]).toMatchObject({ "x-a": "caf!", "x-b": "café" });
    expect(httpOf(head, { isRaw: true })["headerMap"]).toMatchObject({
      headers: expect.arrayContaining([{ key: "x-a", rawValue: Buffer.from("caf\xe9", "latin1").toString("base64") }]),
    });
  });
});

const nothing = { kind: "ok", changes: [], removals: [], query: undefined, responseChanges: [] } as const;
const decoded = (response: object): CheckOutcome | undefined => decodeCheckResponse(encodedResponse(response));
const option = (key: string, value: string, more: object = {}): object => ({ header: { key, value }, ...more });

describe("a check response", () => {
  test("with nothing in it allows, since 0 is OK", () => {
    expect(decodeCheckResponse(Buffer.alloc(0))).toEqual(nothing);
    expect(decoded({ status: { code: 0 } })).toEqual(nothing);
  });

  test("changes fields as its append says, or its action, or what its message has for a default", () => {
    const headers = [
      option("X-Plain", "1"),
      option("x-append", "2", { append: { value: true } }),
      option("x-set", "3", { append: { value: false }, appendAction: 1 }),
      option("x-absent", "4", { appendAction: 1 }),
      option("x-over", "5", { appendAction: 2 }),
      option("x-exists", "6", { appendAction: 3 }),
      { header: { key: "x-raw", rawValue: Buffer.from("caf\xe9", "latin1") } },
    ];
    const okResponse = {
      headers,
      responseHeadersToAdd: [option("set-cookie", "a=1"), option("x-over", "2", { appendAction: 2 })],
      headersToRemove: ["Authorization"],
      queryParametersToSet: [{ key: "a", value: "é" }],
      queryParametersToRemove: ["b"],
    };
    expect(decoded({ okResponse, dynamicMetadata: { typeUrl: "x" } })).toEqual({
      kind: "ok",
      changes: [
        { name: "x-plain", value: "1", how: "overwrite" },
        { name: "x-append", value: "2", how: "add" },
        { name: "x-set", value: "3", how: "overwrite" },
        { name: "x-absent", value: "4", how: "add-if-absent" },
        { name: "x-over", value: "5", how: "overwrite" },
        { name: "x-exists", value: "6", how: "overwrite-if-exists" },
        { name: "x-raw", value: "caf\xe9", how: "overwrite" },
      ],
      removals: ["authorization"],
      query: { set: [["a", "é"]], remove: ["b"] },
      responseChanges: [
        { name: "set-cookie", value: "a=1", how: "add" },
        { name: "x-over", value: "2", how: "overwrite" },
      ],
    });
  });

  test("denies with what it says, with 403 when it says nothing, whatever else is in it", () => {
    const deniedResponse = { status: { code: 401 }, headers: [option("WWW-Authenticate", "Bearer")], body: "no é" };
    expect(decoded({ status: { code: 16 }, deniedResponse })).toEqual({
      kind: "denied",
      status: 401,
      grpcStatus: 16,
      fields: ["www-authenticate", "Bearer"],
      body: "no é",
    });
    const bare = { kind: "denied", status: 403, grpcStatus: 7, fields: [], body: "" } as const;
    expect(decoded({ status: { code: 7 } })).toEqual(bare);
    expect(decoded({ status: { code: 7 }, okResponse: { headers: [option("x-a", "1")] } })).toEqual(bare);
    expect(decoded({ status: { code: -1 } })).toEqual({ ...bare, grpcStatus: undefined });
    expect(decoded({ status: { code: 99 } })).toEqual({ ...bare, grpcStatus: undefined });
  });

  test("fails when it says so, with an answer for the client", () => {
    const errorResponse = { status: { code: 503 }, headers: [option("Retry-After", "1")], body: "later" };
    const said = { status: 503, fields: ["retry-after", "1"], body: "later" };
    const reason = "it says that it failed";
    expect(decoded({ status: { code: 14 }, errorResponse })).toEqual({ kind: "failed", reason, said });
    const bare = { status: 0, fields: [], body: "" };
    expect(decoded({ status: { code: 14 }, errorResponse: {} })).toEqual({ kind: "failed", reason, said: bare });
    // As in Envoy it is the status that says so.
    expect(decoded({ status: { code: 0 }, errorResponse })).toEqual(nothing);
  });

  test("of two parts that exclude each other has the last one", () => {
    const ok = encodedResponse({ okResponse: { headersToRemove: ["a"] } });
    const denied = encodedResponse({ deniedResponse: { body: "no" } });
    expect(decodeCheckResponse(Buffer.concat([ok, denied]))).toEqual(nothing);
    expect(decodeCheckResponse(Buffer.concat([denied, ok]))).toEqual({ ...nothing, removals: ["a"] });
    expect(decodeCheckResponse(Buffer.concat([ok, ok]))).toEqual({ ...nothing, removals: ["a", "a"] });
  });

  test.each([
    ["an unknown append action", { okResponse: { headers: [option("a", "b", { appendAction: 4 })] } }],
    ["a status that is no final one", { status: { code: 7 }, deniedResponse: { status: { code: 100 } } }],
    ["an error's status that is none", { status: { code: 7 }, errorResponse: { status: { code: 101 } } }],
    ["a status beyond all", { status: { code: 7 }, deniedResponse: { status: { code: 600 } } }],
    ["more changes than anybody needs", { okResponse: { headersToRemove: Array(257).fill("a") } }],
  ])("with %s is none", (_, response) => {
    expect(decoded(response)).toBeUndefined();
  });

  test("that is cut short or garbled is none, or another one, and never throws", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const rng = createRng(seed);
      const whole = encodedResponse({
        status: { code: 7, message: "m" },
        deniedResponse: { status: { code: 401 }, headers: [option("a", "b")], body: "text" },
      });
      let none = 0;
      for (let i = 0; i < 5_000; i++) {
        const bytes = Buffer.from(whole.subarray(0, rng.between(1, whole.length)));
        for (let j = rng.below(3); j > 0; j--) bytes[rng.below(bytes.length)] = rng.below(256);
        if (decodeCheckResponse(bytes) === undefined) none++;
      }
      expect(none).toBeGreaterThan(1_000);
    });
  });
});
