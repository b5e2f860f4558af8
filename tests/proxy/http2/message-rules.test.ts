import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { checkResponse, type ResponseHead } from "../../../proxy/message/response-head.ts";

const method = [":method", "GET"];
const scheme = [":scheme", "https"];
const authority = [":authority", "web.example:8080"];
const path = [":path", "/a?b=1"];
const start = [...method, ...scheme, ...authority, ...path];

function request(...fields: string[]): RequestHead | string {
  return checkRequest(new FieldBlock(fields));
}

function canonical(...fields: string[]): readonly string[] | string {
  const head = request(...fields);
  return head instanceof RequestHead ? head.block.fields : head;
}

describe("a request", () => {
  test("has its parts taken out once", () => {
    const head = request(...start, "content-length", "12", "expect", "100-Continue", "te", "trailers");
    expect(head).toBeInstanceOf(RequestHead);
    expect(head).toMatchObject({ method: "GET", scheme: "https", authority: "web.example:8080", path: "/a?b=1" });
    expect(head).toMatchObject({ contentLength: 12, expectsContinue: true, protocol: "", isConnect: false });
  });

  test("is checked once for all messages that repeat its block", () => {
    const block = new FieldBlock(start);
    expect(checkRequest(block)).toBe(checkRequest(block));
  });

  test("has Host left out when it says what the authority says, in whatever case", () => {
    expect(canonical(...start, "host", "WEB.example:8080", "a", "1")).toEqual([
      ...[...method, ...authority, ...scheme, ...path],
      ...["a", "1"],
    ]);
  });

  test("has its authority from Host when it has no other", () => {
    const head = request(...method, ...scheme, ...path, "host", "web");
    expect(head).toMatchObject({ authority: "web" });
    expect(canonical(...method, ...scheme, ...path, "host", "web").slice(0, 4)).toEqual([
      ...method,
      ":authority",
      "web",
    ]);
  });

  test("has its cookie crumbs joined, never-indexed when one of them was", () => {
    const fields = [...start, "cookie", "a=1", "x", "y", "cookie", "b=2", "cookie", "c=3"];
    const head = checkRequest(new FieldBlock(fields, [12]));
    expect(head instanceof RequestHead && head.block.fields.slice(8)).toEqual(["cookie", "a=1; b=2; c=3", "x", "y"]);
    expect(head instanceof RequestHead && head.block.neverIndexed).toEqual([8]);
  });

  test("may ask OPTIONS of the server as a whole", () => {
    expect(request(":method", "OPTIONS", ...scheme, ...authority, ":path", "*")).toBeInstanceOf(RequestHead);
  });

  test("may be CONNECT, with an authority alone (RFC 9113 section 8.5)", () => {
    const head = request(":method", "CONNECT", ":authority", "web:443");
    expect(head).toMatchObject({ isConnect: true, authority: "web:443", path: "", scheme: "" });
  });

  test("may be an extended CONNECT, with everything (RFC 8441)", () => {
    const head = request(":method", "CONNECT", ":protocol", "websocket", ...scheme, ...authority, ...path);
    expect(head).toMatchObject({ isConnect: true, protocol: "websocket", path: "/a?b=1" });
  });

  const refused: readonly (readonly [string, string, readonly string[]])[] = [
    ["no method", "bad_pseudo_field", [...scheme, ...authority, ...path]],
    ["no scheme", "bad_scheme", [...method, ...authority, ...path]],
    ["no path", "bad_target", [...method, ...scheme, ...authority]],
    ["no authority and no Host", "bad_host", [...method, ...scheme, ...path]],
    ["two methods", "bad_pseudo_field", [...method, ...start]],
    ["two paths", "bad_pseudo_field", [...path, ...start]],
    ["two authorities", "bad_pseudo_field", [...authority, ...start]],
    ["two schemes", "bad_pseudo_field", [...scheme, ...start]],
    ["an empty path", "bad_pseudo_field", [...method, ...scheme, ...authority, ":path", ""]],
    ["a status", "bad_pseudo_field", [...start, ":status", "200"]],
    ["an unknown pseudo-header field", "bad_pseudo_field", [...start, ":x", "1"]],
    [
      "a pseudo-header field behind the others",
      "bad_pseudo_field",
      [...method, ...scheme, ...authority, "a", "1", ...path],
    ],
    ["a method that is no token", "bad_method", [":method", "GE T", ...scheme, ...authority, ...path]],
    ["a scheme of mixed case (CVE-2023-35944)", "bad_scheme", [...method, ":scheme", "Https", ...authority, ...path]],
    ["another scheme", "bad_scheme", [...method, ":scheme", "ftp", ...authority, ...path]],
    ["a fragment in the path (CVE-2021-39156)", "bad_target", [...method, ...scheme, ...authority, ":path", "/a#b"]],
    ["a space in the path", "bad_target", [...method, ...scheme, ...authority, ":path", "/a b"]],
    ["bytes beyond ASCII in the path", "bad_target", [...method, ...scheme, ...authority, ":path", "/\xe9"]],
    ["an absolute path", "bad_target", [...method, ...scheme, ...authority, ":path", "http://x/"]],
    ["a path without a slash", "bad_target", [...method, ...scheme, ...authority, ":path", "a"]],
    ["a star without OPTIONS", "bad_target", [...method, ...scheme, ...authority, ":path", "*"]],
    ["user information in the authority", "bad_host", [...method, ...scheme, ":authority", "a@b", ...path]],
    ["a path in the authority", "bad_host", [...method, ...scheme, ":authority", "a/b", ...path]],
    ["a backslash in the authority", "bad_host", [...method, ...scheme, ":authority", "a\\b", ...path]],
    ["a list as the authority", "bad_host", [...method, ...scheme, ":authority", "a,b", ...path]],
    ["a Host that is another one", "bad_host", [...start, "host", "other"]],
    ["two Hosts (CVE-2026-73550)", "bad_host", [...start, "host", "web.example:8080", "host", "web.example:8080"]],
    ["an empty Host beside an authority", "bad_host", [...start, "host", ""]],
    ["Connection", "connection_field", [...start, "connection", "close"]],
    ["Keep-Alive", "connection_field", [...start, "keep-alive", "1"]],
    ["Proxy-Connection", "connection_field", [...start, "proxy-connection", "close"]],
    ["Transfer-Encoding", "connection_field", [...start, "transfer-encoding", "chunked"]],
    ["Upgrade", "connection_field", [...start, "upgrade", "h2c"]],
    ["TE other than trailers", "bad_te", [...start, "te", "trailers, deflate"]],
    ["two lengths that agree", "bad_content_length", [...start, "content-length", "1", "content-length", "1"]],
    ["two lengths that differ", "bad_content_length", [...start, "content-length", "1", "content-length", "2"]],
    ["a list of lengths", "bad_content_length", [...start, "content-length", "1, 1"]],
    ["a signed length", "bad_content_length", [...start, "content-length", "+1"]],
    ["a hexadecimal length", "bad_content_length", [...start, "content-length", "0x1"]],
    ["an empty length", "bad_content_length", [...start, "content-length", ""]],
    ["a length beyond exact numbers", "bad_content_length", [...start, "content-length", "9".repeat(16)]],
    ["two content types that agree", "duplicate_field", [...start, "content-type", "a/b", "content-type", "a/b"]],
    [
      "two content types, of which one is gRPC's",
      "duplicate_field",
      [...start, "content-type", "application/grpc", "a", "1", "content-type", "a/b"],
    ],
    ["two timeouts of gRPC", "duplicate_field", [...start, "grpc-timeout", "1S", "grpc-timeout", "1H"]],
    ["CONNECT and a path", "bad_connect", [":method", "CONNECT", ...authority, ...path]],
    ["CONNECT and a scheme", "bad_connect", [":method", "CONNECT", ...authority, ...scheme]],
    ["CONNECT and a length", "bad_connect", [":method", "CONNECT", ...authority, "content-length", "0"]],
    [
      "extended CONNECT without a path (CVE-2026-73547)",
      "bad_target",
      [":method", "CONNECT", ":protocol", "websocket", ...scheme, ...authority],
    ],
    ["a protocol without CONNECT", "bad_connect", [...start.slice(0, 6), ":protocol", "websocket", ...path]],
  ];
  for (const [what, problem, fields] of refused) {
    test(`with ${what} is refused as ${problem}`, () => expect(request(...fields)).toBe(problem));
  }
});

describe("a response", () => {
  const response = (...fields: string[]): ResponseHead | string => checkResponse(new FieldBlock(fields));

  test("has its status and length taken out once", () => {
    expect(response(":status", "200", "content-length", "5")).toMatchObject({ status: 200, contentLength: 5 });
    expect(response(":status", "103")).toMatchObject({ isInformational: true });
    const block = new FieldBlock([":status", "204"]);
    expect(checkResponse(block)).toBe(checkResponse(block));
  });

  const refused: readonly (readonly [string, string, readonly string[]])[] = [
    ["no status", "bad_pseudo_field", ["a", "1"]],
    ["two statuses", "bad_pseudo_field", [":status", "200", ":status", "200"]],
    ["a method", "bad_pseudo_field", [":status", "200", ":method", "GET"]],
    ["a status of two digits", "bad_status", [":status", "99"]],
    ["a status of four digits", "bad_status", [":status", "0200"]],
    ["a status that is no number", "bad_status", [":status", "2x0"]],
    ["a status beyond 599", "bad_status", [":status", "600"]],
    ["101, which does not exist in HTTP/2", "bad_status", [":status", "101"]],
    ["Connection", "connection_field", [":status", "200", "connection", "close"]],
    ["Transfer-Encoding", "connection_field", [":status", "200", "transfer-encoding", "chunked"]],
    ["two lengths", "bad_content_length", [":status", "200", "content-length", "1", "content-length", "1"]],
  ];
  for (const [what, problem, fields] of refused) {
    test(`with ${what} is refused as ${problem}`, () => expect(response(...fields)).toBe(problem));
  }
});
