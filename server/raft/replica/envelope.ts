/**
 * What the replica writes around a command in the data of an entry: one line of JSON (version, request id), a line feed,
 * the command's text as it came. JSON cannot hold a bare line feed, so the first one ends the header, and the command is
 * neither escaped nor parsed here.
 */
import type { LogIndex } from "../core/types.ts";

export type Envelope =
  | { readonly type: "command"; readonly requestId: string; readonly command: string }
  | { readonly type: "state-hash"; readonly index: LogIndex; readonly hash: string }
  /** Written by a newer Atoll, or not by Atoll: whoever cannot read an entry must stop, not skip it. */
  | { readonly type: "unknown"; readonly reason: string };

const version = 1;
const anonymousHeader = `{"version":${version}}\n`;
/** What JSON makes of a header with a request id; both halves are compared as text, and an id without escapes is itself. */
const namedHeaderStart = `{"version":${version},"requestId":"`;
const namedHeaderEnd = '"}\n';

export function encodeCommand({ requestId, command }: { requestId: string; command: string }): string {
  return requestId === "" ? anonymousHeader + command : `${JSON.stringify({ version, requestId })}\n${command}`;
}

export function encodeStateHash(stateHash: { index: LogIndex; hash: string }): string {
  return `${JSON.stringify({ version, stateHash })}\n`;
}

export function decodeEnvelope(data: string): Envelope {
  if (data.startsWith(anonymousHeader)) {
    return { type: "command", requestId: "", command: data.slice(anonymousHeader.length) };
  }
  const named = decodeNamed(data);
  if (named !== undefined) return named;
  const end = data.indexOf("\n");
  if (end === -1) return { type: "unknown", reason: "it has no header" };
  const header = parseHeader(data.slice(0, end));
  if (header === undefined) return { type: "unknown", reason: "its header is not JSON" };
  if (header["version"] !== version) {
    return { type: "unknown", reason: `its version is ${String(header["version"])}, this server reads ${version}` };
  }
  return decodeKnown(header, data.slice(end + 1));
}

/** Nearly every entry; undefined for what needs to be parsed. */
function decodeNamed(data: string): Envelope | undefined {
  if (!data.startsWith(namedHeaderStart)) return undefined;
  const from = namedHeaderStart.length;
  const to = data.indexOf('"', from);
  if (to === -1 || !data.startsWith(namedHeaderEnd, to)) return undefined;
  const requestId = data.slice(from, to);
  if (requestId.includes("\\")) return undefined;
  return { type: "command", requestId, command: data.slice(to + namedHeaderEnd.length) };
}

function decodeKnown(header: Readonly<Record<string, unknown>>, command: string): Envelope {
  const keys = Object.keys(header).filter((key) => key !== "version");
  const { requestId, stateHash } = header;
  if (keys.length === 1 && typeof requestId === "string") return { type: "command", requestId, command };
  if (keys.length === 1 && isRecord(stateHash)) {
    const { index, hash } = stateHash;
    if (typeof index === "number" && typeof hash === "string") return { type: "state-hash", index, hash };
  }
  return { type: "unknown", reason: `its header has fields this server does not know: ${keys.join(", ")}` };
}

function parseHeader(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
