/**
 * Which versions of the protocol between servers this one speaks. A cluster is upgraded one server at a time, so servers
 * of different releases work together as long as their ranges overlap: they speak the newest version that both know. Each
 * end says its range when a stream begins and when a server joins; without an overlap both ends say what to do.
 *
 * What a version means: an older server could misread what a newer one writes. That goes for entries of the log as well:
 * a command that older servers do not know must not be proposed before all members speak the version that brought it,
 * since a server stops at an entry that it cannot read.
 */
import { Metadata } from "@grpc/grpc-js";
import { AtollError } from "../../lib/contract/error-codes.ts";

export interface ProtocolRange {
  readonly oldest: number;
  readonly newest: number;
}

/** A release drops a version only when the release before it spoke the next one already. */
export const ownProtocols: ProtocolRange = { oldest: 1, newest: 1 };

/** Of a server that says nothing: the first version did not have it. */
const unsaid: ProtocolRange = { oldest: 1, newest: 1 };
const metadataKey = "atoll-protocol";

/** One end of a call; the name is for whoever reads the refusal, at either end. */
export interface Speaker {
  readonly name: string;
  readonly protocols: ProtocolRange;
}

/** The newest version that both know. Throws `PROTOCOL_MISMATCH`. */
export function agreeOnProtocol(one: Speaker, other: Speaker): number {
  const [a, b] = [one.protocols, other.protocols];
  const newest = Math.min(a.newest, b.newest);
  if (newest >= Math.max(a.oldest, b.oldest)) return newest;
  const older = a.newest < b.oldest ? one : other;
  throw new AtollError(
    "PROTOCOL_MISMATCH",
    `${one.name} speaks protocol ${format(a)}, ${other.name} ${format(b)}: upgrade ${older.name}, if need be to a release ` +
      "in between first",
  );
}

export function isSpoken(own: ProtocolRange, version: number): boolean {
  return own.oldest <= version && version <= own.newest;
}

/** As it travels in the headers of a stream. */
export function protocolHeaders(own: ProtocolRange): Metadata {
  const headers = new Metadata();
  headers.set(metadataKey, `${own.oldest}-${own.newest}`);
  return headers;
}

export function protocolsIn(headers: Metadata): ProtocolRange {
  const match = /^(\d{1,9})-(\d{1,9})$/.exec(String(headers.get(metadataKey)[0] ?? ""));
  return match === null ? unsaid : { oldest: Number(match[1]), newest: Number(match[2]) };
}

/** As it travels in a message, where zeros and nothing at all are the same. */
export function protocolsOf(said: ProtocolRange | null | undefined): ProtocolRange {
  return said === null || said === undefined || said.newest === 0 ? unsaid : said;
}

export function format({ oldest, newest }: ProtocolRange): string {
  return oldest === newest ? String(oldest) : `${oldest} to ${newest}`;
}
