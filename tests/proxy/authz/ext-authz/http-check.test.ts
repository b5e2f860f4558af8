import { expect, test } from "bun:test";
import { mustGet } from "../../../../lib/base/assert.ts";
import { parseProxyConfig } from "../../../../lib/contract/proxy-config.ts";
import type { CheckOutcome } from "../../../../proxy/authz/ext-authz/answer.ts";
import type { CheckPeers } from "../../../../proxy/authz/ext-authz/check-subject.ts";
import { HttpCheck } from "../../../../proxy/authz/ext-authz/http-check.ts";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../../proxy/message/request-head.ts";
import { checkResponse, ResponseHead } from "../../../../proxy/message/response-head.ts";

/** What goes to an authorizer over HTTP, and what its answers mean. */
const all = [{ type: "regex", value: ".*" }];
const peers: CheckPeers = {
  callerUri: "",
  ownUri: "",
  callerAddress: "a:1",
  ownAddress: "a:2",
  protocol: "HTTP/2",
  callerCertificate: () => "",
};

function createCheck(http: object = {}, more: object = {}): HttpCheck {
  const listener = { service: "api", listen: "127.0.0.1:1", app: "127.0.0.1:2", intentions: { default: "deny" } };
  const extAuthz = { http: { address: "127.0.0.1:9191", ...http }, ...more };
  const parsed = parseProxyConfig({
    identity: { certFile: "c", keyFile: "k", caFile: "r" },
    inbound: [{ ...listener, protocol: "http", extAuthz }],
    admin: { listen: "127.0.0.1:3" },
  });
  const { config } = mustGet(parsed.ok ? parsed : undefined, "the document is valid");
  const authz = mustGet(config.inbound[0]?.extAuthz, "it is configured");
  return new HttpCheck(authz, mustGet(authz.http, "by HTTP"));
}

function headOf(start: string, fields: readonly string[] = [], never: readonly number[] = []): RequestHead {
  const [method = "", path = ""] = start.split(" ");
  const pseudo = [":method", method, ":scheme", "http", ":authority", "api", ":path", path];
  const checked = checkRequest(new FieldBlock([...pseudo, ...fields], never));
  return mustGet(checked instanceof RequestHead ? checked : undefined, "a valid request");
}

function asked(check: HttpCheck, head: RequestHead): FieldBlock {
  return check.request({ peers, head, id: "1", nowMs: 0 }).head.block;
}

const start = (method: string, path: string) => [
  ...[":method", method, ":scheme", "http", ":authority", "api", ":path", path],
  ...["content-length", "0"],
];

const fields = [
  ...["content-length", "9", "x-a", "1", "x-a", "2", "te", "trailers", "expect", "100-continue"],
  ...["accept-encoding", "gzip", "range", "bytes=0-1", "authorization", "secret", "x-forwarded-client-cert", "By=us"],
];

test("of a request's fields those are sent that are allowed, authorization always, and never what frames its body", () => {
  const head = headOf("POST /x", fields);
  expect(asked(createCheck(), head).fields).toEqual([...start("POST", "/x"), "authorization", "secret"]);
  expect(asked(createCheck({}, { allowedHeaders: all }), head).fields).toEqual([
    ...start("POST", "/x"),
    ...["x-a", "1", "x-a", "2", "authorization", "secret", "x-forwarded-client-cert", "By=us"],
  ]);
  const more = { allowedHeaders: all, disallowedHeaders: [{ type: "contains", value: "AUTH" }] };
  expect(asked(createCheck({}, more), head).fields.includes("authorization")).toBe(false);
});

test("a field that no proxy may index stays one", () => {
  const head = headOf("GET /", ["x-a", "1", "authorization", "secret"], [10]);
  const block = asked(createCheck(), head);
  expect(block.neverIndexed.map((at) => block.fields[at])).toEqual(["authorization"]);
});

test("the path stands behind the prefix, and an upgrade is a GET", () => {
  const check = createCheck({ pathPrefix: "/check" });
  expect(asked(check, headOf("GET /a%2Fb?c=d")).fields).toEqual(start("GET", "/check/a%2Fb?c=d"));
  expect(asked(check, headOf("CONNECT /chat", [":protocol", "websocket"])).fields).toEqual(start("GET", "/check/chat"));
  expect(asked(createCheck(), headOf("OPTIONS *")).fields).toEqual(start("OPTIONS", "*"));
});

function outcome(
  check: HttpCheck,
  status: string,
  more: readonly string[] = [],
  body: Buffer = Buffer.alloc(0),
): CheckOutcome {
  const checked = checkResponse(new FieldBlock([":status", status, ...more]));
  const head = mustGet(checked instanceof ResponseHead ? checked : undefined, "a valid response");
  return check.outcome({ head, body, trailers: undefined });
}

test("200 alone allows, 5xx is no answer, and everything else denies", () => {
  const check = createCheck();
  const kinds = ["200", "201", "204", "301", "400", "403", "499", "500", "599"].map(
    (status) => outcome(check, status).kind,
  );
  expect(kinds).toEqual(["ok", ...Array(6).fill("denied"), "failed", "failed"]);
});

test("a field may be for the application, for the client and for both", () => {
  const check = createCheck({
    allowedUpstreamHeaders: all,
    allowedClientHeadersOnSuccess: [{ type: "exact", value: "b" }],
  });
  expect(outcome(check, "200", ["a", "1", "b", "2", "x-envoy-auth-headers-to-remove", "C, ,d"])).toEqual({
    kind: "ok",
    changes: [
      { name: "a", value: "1", how: "overwrite" },
      { name: "b", value: "2", how: "overwrite" },
    ],
    removals: ["c", "d"],
    query: undefined,
    responseChanges: [{ name: "b", value: "2", how: "add" }],
  });
});

test("a denial that is no text has no body, and more fields than anybody needs are no answer", () => {
  const check = createCheck();
  const bodies = [
    outcome(check, "403", ["content-encoding", "gzip"], Buffer.from("abc")),
    outcome(check, "403", ["content-type", "image/png"], Buffer.from([0xff, 0xd8])),
    outcome(check, "403", [], Buffer.from("é")),
  ];
  expect(bodies.map((denied) => "body" in denied && denied.body)).toEqual(["", "", "é"]);
  expect(bodies.map((denied) => "fields" in denied && denied.fields)).toEqual([[], ["content-type", "image/png"], []]);
  expect(outcome(check, "200", Array(514).fill("a")).kind).toBe("failed");
});
