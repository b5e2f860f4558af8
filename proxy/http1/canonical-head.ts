import { FieldBlock } from "../message/field-block.ts";
import { checkRequest, RequestHead } from "../message/request-head.ts";
import { checkResponse, ResponseHead } from "../message/response-head.ts";
import { Field } from "./field-names.ts";
import type { HeadProblem, MessageHead } from "./head.ts";

/** A parsed request: its canonical form, and what only its own connection has to know. Never changes, so it can be kept. */
export interface Http1Request {
  readonly head: RequestHead;
  /** Of the body; -1 when it is chunked, 0 when there is none. */
  readonly bodyBytes: number;
  readonly isChunked: boolean;
  readonly minorVersion: number;
  /** The client wants this to be the connection's last request. */
  readonly hasClose: boolean;
}

/** The same of a response. */
export interface Http1Response {
  readonly head: ResponseHead;
  /** -1 when only the connection's end, or the chunks, tell. */
  readonly contentLength: number;
  readonly isChunked: boolean;
  /** The connection cannot carry another exchange. */
  readonly hasClose: boolean;
  /** How long the server says that it keeps the connection when idle (Keep-Alive: timeout=5); infinite when it does not. */
  readonly keepAliveMs: number;
  /** 101: the connection is a tunnel from here on; `head` says 200, as for any CONNECT. */
  readonly isSwitching: boolean;
}

/**
 * The canonical form of a request head. An upgrade becomes an extended CONNECT (RFC 8441), which is what it is: a tunnel for
 * another protocol.
 */
export function canonicalRequest(parsed: MessageHead, defaultAuthority: string): Http1Request | HeadProblem {
  const text = parsed.bytes.toString("latin1", parsed.start, parsed.end);
  const at = (offset: number): number => offset - parsed.start;
  const method = text.substring(0, at(parsed.methodEnd));
  if (parsed.isConnect) return connectRequest(parsed);
  const isUpgrade = parsed.isUpgrade && method === "GET" && !parsed.isChunked && parsed.contentLength <= 0;
  const fields = ["", "", "", "", "", "", "", ""];
  let host = defaultAuthority;
  let protocol = "";
  let cookieAt = -1;
  const { spans, ids } = parsed;
  for (let i = 0; i < parsed.fieldCount; i++) {
    const base = i * 4;
    const value = text.substring(at(spans[base + 2] ?? 0), at(spans[base + 3] ?? 0));
    switch (ids[i]) {
      case Field.host:
        host = value;
        continue;
      case Field.upgrade:
        protocol = value;
        continue;
      case Field.connection:
      case Field.keepAlive:
      case Field.proxyConnection:
      case Field.transferEncoding:
        continue;
      case Field.te:
        if (value.toLowerCase() === "trailers") fields.push("te", "trailers");
        continue;
      default:
        break;
    }
    const name = text.substring(at(spans[base] ?? 0), at(spans[base + 1] ?? 0)).toLowerCase();
    if (parsed.nominated.length > 0 && ids[i] === Field.other && parsed.nominated.includes(name)) continue;
    if (name === "cookie" && cookieAt >= 0) fields[cookieAt] += `; ${value}`;
    else fields.push(name, value);
    if (name === "cookie" && cookieAt < 0) cookieAt = fields.length - 1;
  }
  // HTTP/2 is offered by its preface or by ALPN only; whoever asks for it like this takes the plain answer as well.
  const isTunnel = isUpgrade && protocol !== "" && !protocol.toLowerCase().startsWith("h2c");
  fields[0] = ":method";
  fields[1] = isTunnel ? "CONNECT" : method;
  fields[2] = ":scheme";
  fields[3] = "http";
  fields[4] = ":authority";
  fields[5] = host;
  fields[6] = ":path";
  fields[7] = parsed.path;
  if (isTunnel) fields.splice(2, 0, ":protocol", protocol.toLowerCase());
  const head = checkRequest(new FieldBlock(fields));
  if (!(head instanceof RequestHead)) return head === "bad_host" || head === "duplicate_field" ? head : "bad_target";
  return {
    head,
    bodyBytes: parsed.isChunked ? -1 : Math.max(parsed.contentLength, 0),
    isChunked: parsed.isChunked,
    minorVersion: parsed.minorVersion,
    hasClose: parsed.hasClose || parsed.minorVersion === 0,
  };
}

/** A plain CONNECT: nothing of it but the target matters, since nobody opens such a tunnel here. */
function connectRequest(parsed: MessageHead): Http1Request | HeadProblem {
  const head = checkRequest(new FieldBlock([":method", "CONNECT", ":authority", parsed.target]));
  if (!(head instanceof RequestHead)) return "bad_target";
  return { head, bodyBytes: 0, isChunked: false, minorVersion: parsed.minorVersion, hasClose: true };
}

export function canonicalResponse(parsed: MessageHead): Http1Response | HeadProblem {
  const text = parsed.bytes.toString("latin1", parsed.start, parsed.end);
  const at = (offset: number): number => offset - parsed.start;
  const isSwitching = parsed.status === 101;
  const fields = [":status", isSwitching ? "200" : `${parsed.status}`];
  const { spans, ids } = parsed;
  let keepAliveMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < parsed.fieldCount; i++) {
    switch (ids[i]) {
      case Field.keepAlive:
        keepAliveMs = parseKeepAlive(text.substring(at(spans[i * 4 + 2] ?? 0), at(spans[i * 4 + 3] ?? 0)));
        continue;
      case Field.upgrade:
      case Field.connection:
      case Field.proxyConnection:
      case Field.transferEncoding:
      case Field.te:
        continue;
      default:
        break;
    }
    const base = i * 4;
    const name = text.substring(at(spans[base] ?? 0), at(spans[base + 1] ?? 0)).toLowerCase();
    if (parsed.nominated.length > 0 && ids[i] === Field.other && parsed.nominated.includes(name)) continue;
    if (isSwitching && name === "content-length") continue;
    fields.push(name, text.substring(at(spans[base + 2] ?? 0), at(spans[base + 3] ?? 0)));
  }
  const head = checkResponse(new FieldBlock(fields));
  if (!(head instanceof ResponseHead)) return "malformed_field";
  return {
    head,
    contentLength: parsed.isChunked ? -1 : parsed.contentLength,
    isChunked: parsed.isChunked,
    hasClose: parsed.hasClose || (parsed.minorVersion === 0 && !parsed.hasKeepAlive),
    keepAliveMs,
    isSwitching,
  };
}

/** RFC 2068 section 19.7.1.1, as Node.js and Apache still write it. */
function parseKeepAlive(value: string): number {
  const seconds = /(?:^|[\s,])timeout=(\d{1,6})(?:$|[\s,])/i.exec(value)?.[1];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1000;
}
