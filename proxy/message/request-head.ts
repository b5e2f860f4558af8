import type { MessageProblem } from "./message-problem.ts";
import { FieldBlock } from "./field-block.ts";
import { type GrpcKind, grpcKindOf, parseGrpcTimeout } from "./grpc.ts";
import { connectionFieldProblem, isPseudoField, parseContentLength } from "./field-rules.ts";

/**
 * A request that has passed RFC 9113 section 8: one meaning, whoever reads it. `block` is the canonical form: the authority
 * stands in `:authority` only (a `Host` that agreed with it is gone) and cookie crumbs are one field.
 */
export class RequestHead {
  method = "";
  /** Empty for CONNECT, as is `path`. */
  scheme = "";
  authority = "";
  path = "";
  /** The protocol that an extended CONNECT asks for (RFC 8441), else empty. */
  protocol = "";
  /** -1 when there is none. */
  contentLength = -1;
  expectsContinue = false;
  grpc: GrpcKind = "";
  /** What `grpc-timeout` says, or -1. */
  grpcTimeoutMs = -1;
  block: FieldBlock;

  constructor(block: FieldBlock) {
    this.block = block;
  }

  /** A tunnel: DATA is not a message body. */
  get isConnect(): boolean {
    return this.method === "CONNECT";
  }
}

const isTokenText = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Visible ASCII without the bytes that end an authority or let two readers find two hosts in it. */
const isAuthority = /^[!$&'()*+\-.0-9:;=A-Z[\]_a-z~%]+$/;
/** Visible ASCII without a fragment (CVE-2021-39156). */
const isOriginForm = /^\/[!"$-~]*$/;

/** The head that a block is, or why it is none. */
export function checkRequest(block: FieldBlock): RequestHead | MessageProblem {
  if (block.request !== undefined) return block.request;
  if (block.problem !== undefined) return block.problem;
  const head = new RequestHead(block);
  const problem = readFields(head, block.fields) ?? checkTarget(head);
  if (problem !== undefined) return problem;
  block.request = head;
  return head;
}

function readFields(head: RequestHead, fields: readonly string[]): MessageProblem | undefined {
  let at = 0;
  for (; at < fields.length && isPseudoField(fields[at] ?? ""); at += 2) {
    if (!setPseudoField(head, fields[at] ?? "", fields[at + 1] ?? "")) return "bad_pseudo_field";
  }
  let host: string | undefined;
  let cookies = 0;
  let contentTypes = 0;
  let grpcTimeouts = 0;
  for (; at < fields.length; at += 2) {
    const name = fields[at] ?? "";
    const value = fields[at + 1] ?? "";
    if (isPseudoField(name)) return "bad_pseudo_field";
    if (name === "host") {
      if (host !== undefined) return "bad_host";
      host = value;
    } else if (name === "cookie") {
      cookies++;
    } else if (name === "content-length") {
      if (head.contentLength >= 0) return "bad_content_length";
      head.contentLength = parseContentLength(value);
      if (head.contentLength < 0) return "bad_content_length";
    } else if (name === "content-type") {
      // One reader takes the first, another the last (RFC 9110, 8.3): the message would be two.
      if (contentTypes++ > 0) return "duplicate_field";
      head.grpc = grpcKindOf(value);
    } else if (name === "grpc-timeout") {
      if (grpcTimeouts++ > 0) return "duplicate_field";
      head.grpcTimeoutMs = parseGrpcTimeout(value);
    } else if (name === "expect") {
      head.expectsContinue = value.toLowerCase() === "100-continue";
    } else {
      const problem = connectionFieldProblem(name, value);
      if (problem !== undefined) return problem;
    }
  }
  if (host !== undefined) {
    if (head.authority === "") head.authority = host;
    else if (head.authority.toLowerCase() !== host.toLowerCase()) return "bad_host";
  }
  if (host !== undefined || cookies > 1) head.block = canonicalBlock(head);
  return undefined;
}

/** False for an unknown, empty or second one. */
function setPseudoField(head: RequestHead, name: string, value: string): boolean {
  if (value === "") return false;
  switch (name) {
    case ":method":
      if (head.method !== "") return false;
      head.method = value;
      return true;
    case ":scheme":
      if (head.scheme !== "") return false;
      head.scheme = value;
      return true;
    case ":authority":
      if (head.authority !== "") return false;
      head.authority = value;
      return true;
    case ":path":
      if (head.path !== "") return false;
      head.path = value;
      return true;
    case ":protocol":
      if (head.protocol !== "") return false;
      head.protocol = value;
      return true;
    default:
      return false;
  }
}

/** RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4. */
function checkTarget(head: RequestHead): MessageProblem | undefined {
  if (!isTokenText.test(head.method)) return head.method === "" ? "bad_pseudo_field" : "bad_method";
  if (!isAuthority.test(head.authority)) return "bad_host";
  if (head.isConnect && head.protocol === "") {
    return head.scheme === "" && head.path === "" && head.contentLength < 0 ? undefined : "bad_connect";
  }
  if (head.protocol !== "" && (!head.isConnect || !isTokenText.test(head.protocol))) return "bad_connect";
  // Exactly so: schemes of mixed case have been read as another scheme (CVE-2023-35944).
  if (head.scheme !== "http" && head.scheme !== "https") return "bad_scheme";
  if (head.path === "*") return head.method === "OPTIONS" ? undefined : "bad_target";
  return isOriginForm.test(head.path) ? undefined : "bad_target";
}

/** Without Host, the authority in its place, and with all cookie crumbs in one field (section 8.2.3). */
function canonicalBlock(head: RequestHead): FieldBlock {
  const { fields, neverIndexed } = head.block;
  const result: string[] = [];
  const never: number[] = [];
  let cookieAt = -1;
  const keep = (name: string, value: string, isNever: boolean): void => {
    if (isNever) never.push(result.length);
    result.push(name, value);
  };
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    const value = fields[i + 1] ?? "";
    const isNever = neverIndexed.includes(i);
    if (name === "host" || name === ":authority") continue;
    if (name === "cookie" && cookieAt >= 0) {
      result[cookieAt + 1] += `; ${value}`;
      if (isNever && !never.includes(cookieAt)) never.push(cookieAt);
      continue;
    }
    if (name === "cookie") cookieAt = result.length;
    keep(name, value, isNever);
    if (name === ":method") keep(":authority", head.authority, false);
  }
  const block = new FieldBlock(result, never);
  block.isShared = head.block.isShared;
  return block;
}
