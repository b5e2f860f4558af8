import { largestFieldCount } from "../../lib/contract/proxy-limits.ts";
import { endOfHost } from "./authority.ts";
import { COLON, CR, HTAB, LF, SP, isFieldValue, isTarget, isToken } from "./characters.ts";
import { readConnectionOptions, readProxyConnection } from "./connection-options.ts";
import { Field, fieldOf } from "./field-names.ts";

/**
 * One strict pass over the head of a message (RFC 9112). What two parsers could read differently is refused: bare CR or
 * LF, folded lines, space before a colon, more than one framing, anything but a plain `chunked`, a host or target with two
 * readings. Every head that this accepts is one that llhttp reads in the same way (`tests/fuzz`).
 *
 * The result is a view of the bytes, not a copy: `MessageHead` is one object per parser, filled anew by every parse, and
 * valid until the next. Names and values become strings only where something asks for them.
 */
export interface HeadLimits {
  /** Start line and fields, with the empty line. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** Names that one message may nominate in all its `Connection` fields together. */
  readonly maxConnectionOptions: number;
}

/** Why a head was refused, as a metric label and as the words of the 400 answer. */
export const headProblems = [
  "malformed_request_line",
  "malformed_status_line",
  "unsupported_version",
  "malformed_field",
  "too_many_fields",
  "head_too_large",
  "bad_content_length",
  "bad_transfer_encoding",
  "conflicting_framing",
  "bad_connection",
  "bad_upgrade",
  "bad_host",
  "bad_target",
  "duplicate_field",
  "unsupported_method",
] as const;
export type HeadProblem = (typeof headProblems)[number];

export type ParseOutcome = "complete" | "incomplete" | HeadProblem;

export class MessageHead {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  /** One past the empty line that ends the head. */
  end = 0;
  /** One past the start line's CR LF. */
  firstField = 0;
  /** Requests: `bytes[start, methodEnd)` and `bytes[targetStart, targetEnd)`. */
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Where path and query begin in the target: behind the authority of an absolute form; `targetEnd` for CONNECT. */
  pathStart = 0;
  /** CONNECT: the target is `host:port`, there is no body, and what follows the head is the tunnel's if one is opened. */
  isConnect = false;
  /** Responses only. */
  status = 0;
  minorVersion = 1;
  fieldCount = 0;
  /** Four offsets a field: name start, name end, value start, value end. */
  readonly spans = new Int32Array(largestFieldCount * 4);
  readonly ids = new Uint8Array(largestFieldCount);
  /** -1 when there is no Content-Length. */
  contentLength = -1;
  isChunked = false;
  hasClose = false;
  hasKeepAlive = false;
  /** `Connection: upgrade` together with an `Upgrade` field. */
  isUpgrade = false;
  expectsContinue = false;
  /** Whether some field belongs to this hop alone and must not be forwarded. */
  hasHopFields = false;
  /**
   * Lower-case names that `Connection` nominates besides the known ones, without those that nobody may nominate; empty for
   * nearly every message, and never longer than `maxNominated`.
   */
  nominated: string[] = [];
  maxNominated = 0;

  get method(): string {
    return this.bytes.toString("latin1", this.start, this.methodEnd);
  }

  get target(): string {
    return this.bytes.toString("latin1", this.targetStart, this.targetEnd);
  }

  /**
   * Path and query (RFC 9112 section 3.3), whatever the form of the target: `/` or `*` (OPTIONS) stand for the empty path of
   * an absolute form. Empty for CONNECT.
   */
  get path(): string {
    const path = this.bytes.toString("latin1", this.pathStart, this.targetEnd);
    if (path.startsWith("/") || path === "*" || this.isConnect) return path;
    return path === "" && this.isMethod("OPTIONS") ? "*" : `/${path}`;
  }

  /** Whether the method is exactly `name`, without making a string. */
  isMethod(name: string): boolean {
    const length = this.methodEnd - this.start;
    if (length !== name.length) return false;
    for (let i = 0; i < length; i++) if (this.bytes[this.start + i] !== name.charCodeAt(i)) return false;
    return true;
  }

  fieldName(index: number): string {
    return this.bytes.toString("latin1", this.spans[index * 4], this.spans[index * 4 + 1]).toLowerCase();
  }

  fieldValue(index: number): string {
    return this.bytes.toString("latin1", this.spans[index * 4 + 2], this.spans[index * 4 + 3]);
  }

  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.fieldCount = 0;
    this.contentLength = -1;
    this.isChunked = false;
    this.hasClose = false;
    this.hasKeepAlive = false;
    this.isUpgrade = false;
    this.expectsContinue = false;
    this.hasHopFields = false;
    this.isConnect = false;
    if (this.nominated.length > 0) this.nominated = [];
  }
}

const SLASH = 47;
const ASTERISK = 42;
const QUERY = 63;
const headEnd = Buffer.from("\r\n\r\n", "latin1");

/** Parses the request head that begins at `start`; `complete` means `head` describes it and the body begins at `head.end`. */
export function parseRequestHead(bytes: Buffer, start: number, head: MessageHead, limits: HeadLimits): ParseOutcome {
  if (isNoStart(bytes, start)) return "malformed_request_line";
  const end = findHeadEnd(bytes, start);
  if (end < 0) return bytes.length - start > limits.maxHeadBytes ? "head_too_large" : "incomplete";
  if (end - start > limits.maxHeadBytes) return "head_too_large";
  head.reset(bytes, start, end);
  head.maxNominated = limits.maxConnectionOptions;
  const problem =
    parseRequestLine(bytes, start, head) ?? parseFields(bytes, head, limits.maxFields) ?? checkRequest(head);
  return problem ?? "complete";
}

/** Parses the response head that begins at `start`. */
export function parseResponseHead(bytes: Buffer, start: number, head: MessageHead, limits: HeadLimits): ParseOutcome {
  if (isNoStart(bytes, start)) return "malformed_status_line";
  const end = findHeadEnd(bytes, start);
  if (end < 0) return bytes.length - start > limits.maxHeadBytes ? "head_too_large" : "incomplete";
  if (end - start > limits.maxHeadBytes) return "head_too_large";
  head.reset(bytes, start, end);
  head.maxNominated = limits.maxConnectionOptions;
  const problem =
    parseStatusLine(bytes, start, head) ?? parseFields(bytes, head, limits.maxFields) ?? checkResponse(head);
  return problem ?? "complete";
}

/** One past the empty line that ends the head which begins at `start`; -1 when it has not come. */
export function findHeadEnd(bytes: Buffer, start: number): number {
  const at = bytes.indexOf(headEnd, start);
  return at < 0 ? -1 : at + 4;
}

/** Bytes that can never become HTTP (a TLS hello, a port scan) are refused at once, not at the size limit. */
function isNoStart(bytes: Buffer, start: number): boolean {
  return bytes.length > start && isToken[bytes[start] ?? 0] !== 1;
}

/** `HTTP/1.` and one digit at `at`: the minor version, or -1. */
function minorVersionAt(bytes: Buffer, at: number): number {
  const isHttp1 =
    bytes[at] === 72 &&
    bytes[at + 1] === 84 &&
    bytes[at + 2] === 84 &&
    bytes[at + 3] === 80 &&
    bytes[at + 4] === 47 &&
    bytes[at + 5] === 49 &&
    bytes[at + 6] === 46;
  const minor = (bytes[at + 7] ?? 0) - 48;
  return isHttp1 && (minor === 0 || minor === 1) ? minor : -1;
}

function parseRequestLine(bytes: Buffer, start: number, head: MessageHead): HeadProblem | undefined {
  let at = start;
  while (isToken[bytes[at] ?? 0] === 1) at++;
  if (at === start || bytes[at] !== SP) return "malformed_request_line";
  head.methodEnd = at;
  head.targetStart = ++at;
  while (isTarget[bytes[at] ?? 0] === 1) at++;
  // A fragment (CVE-2021-39156).
  if (bytes[at] === 35) return "bad_target";
  if (at === head.targetStart || bytes[at] !== SP) return "malformed_request_line";
  head.targetEnd = at;
  head.minorVersion = minorVersionAt(bytes, at + 1);
  if (head.minorVersion < 0) return "unsupported_version";
  if (bytes[at + 9] !== CR || bytes[at + 10] !== LF) return "malformed_request_line";
  head.firstField = at + 11;
  return undefined;
}

function parseStatusLine(bytes: Buffer, start: number, head: MessageHead): HeadProblem | undefined {
  head.minorVersion = minorVersionAt(bytes, start);
  if (head.minorVersion < 0) return "unsupported_version";
  let at = start + 8;
  const status = decimalOf(bytes, at + 1, at + 4);
  if (bytes[at] !== SP || status < 100 || status > 599) return "malformed_status_line";
  head.status = status;
  at += 4;
  if (bytes[at] !== SP && bytes[at] !== CR) return "malformed_status_line";
  while (isFieldValue[bytes[at] ?? 0] === 1) at++;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return "malformed_status_line";
  head.firstField = at + 2;
  return undefined;
}

function parseFields(bytes: Buffer, head: MessageHead, maxFields: number): HeadProblem | undefined {
  const { spans, ids } = head;
  const last = head.end - 2;
  let at = head.firstField;
  let count = 0;
  while (at < last) {
    if (count === maxFields) return "too_many_fields";
    const nameStart = at;
    while (isToken[bytes[at] ?? 0] === 1) at++;
    if (at === nameStart || bytes[at] !== COLON) return "malformed_field";
    const nameEnd = at++;
    while (bytes[at] === SP || bytes[at] === HTAB) at++;
    const valueStart = at;
    while (isFieldValue[bytes[at] ?? 0] === 1) at++;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return "malformed_field";
    let valueEnd = at;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;
    at += 2;
    const base = count * 4;
    spans[base] = nameStart;
    spans[base + 1] = nameEnd;
    spans[base + 2] = valueStart;
    spans[base + 3] = valueEnd;
    const id = fieldOf(bytes, nameStart, nameEnd);
    ids[count++] = id;
    head.fieldCount = count;
    if (id !== Field.other) {
      if (hasTab(bytes, valueEnd, at - 2)) return "malformed_field";
      const problem = readKnownField(head, id, valueStart, valueEnd);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

/** A tab behind `chunked` makes it another coding for llhttp. Fields with a meaning to anybody on the way have spaces at most. */
function hasTab(bytes: Buffer, valueEnd: number, lineEnd: number): boolean {
  for (let i = valueEnd; i < lineEnd; i++) if (bytes[i] === HTAB) return true;
  return false;
}

function readKnownField(head: MessageHead, id: number, start: number, end: number): HeadProblem | undefined {
  switch (id) {
    case Field.contentLength:
      if (head.contentLength >= 0) return "bad_content_length";
      head.contentLength = decimalOf(head.bytes, start, end);
      return head.contentLength < 0 ? "bad_content_length" : undefined;
    case Field.transferEncoding:
      if (head.isChunked || head.bytes.toString("latin1", start, end).toLowerCase() !== "chunked")
        return "bad_transfer_encoding";
      head.isChunked = true;
      return undefined;
    case Field.connection:
      head.hasHopFields = true;
      return readConnectionOptions(head, start, end) ? undefined : "bad_connection";
    case Field.expect:
      if (head.bytes.toString("latin1", start, end).toLowerCase() === "100-continue") head.expectsContinue = true;
      return undefined;
    case Field.proxyConnection:
      head.hasHopFields = true;
      return readProxyConnection(head, start, end) ? undefined : "bad_connection";
    case Field.keepAlive:
    case Field.te:
    case Field.upgrade:
    case Field.forwardedClientCert:
      head.hasHopFields = true;
      return undefined;
    default:
      return undefined;
  }
}

/** Digits only, at most 15 of them, so that the number is exact; -1 otherwise. */
function decimalOf(bytes: Buffer, start: number, end: number): number {
  if (end === start || end - start > 15) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] ?? 0) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function checkFraming(head: MessageHead): HeadProblem | undefined {
  if (head.isChunked && head.contentLength >= 0) return "conflicting_framing";
  if (head.isChunked && head.minorVersion === 0) return "bad_transfer_encoding";
  if (head.isUpgrade) head.isUpgrade = indexOfField(head, Field.upgrade) >= 0;
  return undefined;
}

/** One protocol field that is not empty: of two, some readers take the first and some the last. HTTP/1.0 has none of this. */
function isPlainUpgrade(head: MessageHead): boolean {
  const at = indexOfField(head, Field.upgrade);
  if (at < 0 || head.spans[at * 4 + 2] === head.spans[at * 4 + 3]) return false;
  return head.minorVersion === 1 && indexOfField(head, Field.upgrade, at + 1) < 0;
}

/**
 * 1xx and 204 have no body whatever their fields say (RFC 9112 section 6.3), and must not say that they have one (section
 * 6.1, RFC 9110 section 8.6): the reader that believes the fields would take the next response for a body. 101 without a
 * protocol is a switch for some and an interim response for others.
 */
function checkResponse(head: MessageHead): HeadProblem | undefined {
  const problem = checkFraming(head);
  if (problem !== undefined) return problem;
  if (head.status >= 200 && head.status !== 204) return undefined;
  if (head.isChunked || head.contentLength > 0) return "conflicting_framing";
  return head.status === 101 && !(head.isUpgrade && isPlainUpgrade(head)) ? "bad_upgrade" : undefined;
}

function checkRequest(head: MessageHead): HeadProblem | undefined {
  const problem = checkFraming(head);
  if (problem !== undefined) return problem;
  if (head.isUpgrade && !isPlainUpgrade(head)) return "bad_upgrade";
  // RFC 9110 section 10.1.1.
  if (head.minorVersion === 0) head.expectsContinue = false;
  const hostAt = indexOfField(head, Field.host);
  if (!hasGoodHost(head, hostAt)) return "bad_host";
  head.pathStart = head.targetStart;
  if (head.bytes[head.targetStart] === SLASH) return checkOriginForm(head);
  if (head.isMethod("CONNECT")) return checkConnect(head, hostAt);
  if (head.targetEnd - head.targetStart === 1 && head.bytes[head.targetStart] === ASTERISK) {
    return head.isMethod("OPTIONS") ? undefined : "bad_target";
  }
  return checkAbsoluteForm(head, hostAt);
}

/** Exactly one Host in HTTP/1.1 and never two (RFC 9112 section 3.2), with one reading; an http URI has a host. */
function hasGoodHost(head: MessageHead, at: number): boolean {
  if (at < 0) return head.minorVersion === 0;
  if (endOfHost(head.bytes, head.spans[at * 4 + 2] ?? 0, head.spans[at * 4 + 3] ?? 0) < 0) return false;
  return indexOfField(head, Field.host, at + 1) < 0;
}

function checkOriginForm(head: MessageHead): HeadProblem | undefined {
  if (head.isMethod("CONNECT")) return "bad_target";
  // The first bytes of HTTP/2 (RFC 9113 section 3.4): other readers switch protocols here.
  return head.isMethod("PRI") ? "unsupported_method" : undefined;
}

/** RFC 9112 section 3.2.3: `host:port` and nothing else, the same in Host; content has no meaning (RFC 9110 section 9.3.6). */
function checkConnect(head: MessageHead, hostAt: number): HeadProblem | undefined {
  head.isConnect = true;
  head.pathStart = head.targetEnd;
  const hostEnd = endOfHost(head.bytes, head.targetStart, head.targetEnd);
  if (hostEnd < 0 || hostEnd === head.targetEnd) return "bad_target";
  if (hostAt >= 0 && head.target.toLowerCase() !== head.fieldValue(hostAt).toLowerCase()) return "bad_target";
  if (head.isUpgrade) return "bad_upgrade";
  return head.isChunked || head.contentLength >= 0 ? "conflicting_framing" : undefined;
}

const absoluteStart = Buffer.from("http://", "latin1");

/**
 * RFC 9112 section 3.2.2, with the authority that Host has. The scheme is that of the connection as far as anybody behind it
 * can tell, so any other, and any other way to write it (CVE-2023-35944), would be read in two ways.
 */
function checkAbsoluteForm(head: MessageHead, hostAt: number): HeadProblem | undefined {
  const { bytes, targetStart, targetEnd } = head;
  const authorityStart = targetStart + absoluteStart.length;
  if (hostAt < 0 || bytes.compare(absoluteStart, 0, absoluteStart.length, targetStart, authorityStart) !== 0) {
    return "bad_target";
  }
  let at = authorityStart;
  while (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== QUERY) at++;
  head.pathStart = at;
  const authority = bytes.toString("latin1", authorityStart, at);
  if (authority.toLowerCase() !== head.fieldValue(hostAt).toLowerCase()) return "bad_target";
  return head.isMethod("PRI") ? "unsupported_method" : undefined;
}

function indexOfField(head: MessageHead, id: number, from = 0): number {
  for (let i = from; i < head.fieldCount; i++) if (head.ids[i] === id) return i;
  return -1;
}
