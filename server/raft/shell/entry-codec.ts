/**
 * Entries on disk: those of one batch lie together in runs, since one value in LevelDB costs what a dozen entries cost. A
 * run is a row of records, each four bytes of length, four of CRC-32C and the text `<index> <term> <kind> <payload>`. The
 * checksum starts from that of the entry before, so that the log is a chain: an entry that LevelDB lost, kept in an old
 * version or moved breaks it for everything behind.
 */
import { crc32c } from "../../../lib/base/crc32c.ts";
import type { Entry, LogIndex } from "../core/types.ts";
import { decodeConfigChange } from "./change-codec.ts";
import type { LogPlace } from "./disk-layout.ts";

const headerBytes = 8;
/** A run is closed when it has got so long; UTF-16 units stand for bytes. */
const maxRunChars = 256 * 1024;

export interface EncodedRun {
  readonly bytes: Uint8Array;
  /** Of its entries, in order; never empty. */
  readonly places: readonly LogPlace[];
}

/** Splits consecutive entries into runs; the first continues the chain at `previousCrc`. */
export function encodeRuns(entries: readonly Entry[], previousCrc: number): readonly EncodedRun[] {
  const runs: EncodedRun[] = [];
  let crc = previousCrc;
  let from = 0;
  let texts: string[] = [];
  let chars = 0;
  const close = (): void => {
    const run = encodeRun(entries.slice(from, from + texts.length), texts, crc);
    crc = run.places.at(-1)?.crc ?? crc;
    runs.push(run);
    from += texts.length;
    texts = [];
    chars = 0;
  };
  for (const entry of entries) {
    const text = `${entry.index} ${entry.term} ${entry.kind} ${payloadOf(entry)}`;
    texts.push(text);
    chars += text.length;
    if (chars >= maxRunChars) close();
  }
  if (texts.length > 0) close();
  return runs;
}

function encodeRun(entries: readonly Entry[], texts: readonly string[], previousCrc: number): EncodedRun {
  const sizes = texts.map((text) => Buffer.byteLength(text));
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + headerBytes + size, 0));
  let at = 0;
  let crc = previousCrc;
  const places = entries.map(({ index, term }, i): LogPlace => {
    const end = at + headerBytes + (sizes[i] ?? 0);
    bytes.write(texts[i] ?? "", at + headerBytes);
    crc = crc32c(bytes, crc, at + headerBytes, end);
    bytes.writeUInt32BE(sizes[i] ?? 0, at);
    bytes.writeUInt32BE(crc, at + 4);
    at = end;
    return { index, term, crc };
  });
  return { bytes, places };
}

/** The records of a run, unverified; undefined when they do not fill it exactly. */
export function splitRun(run: Uint8Array): readonly Buffer[] | undefined {
  const bytes = Buffer.from(run.buffer, run.byteOffset, run.byteLength);
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + headerBytes > bytes.length) return undefined;
    const end = at + headerBytes + bytes.readUInt32BE(at);
    if (end > bytes.length) return undefined;
    records.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return records.length === 0 ? undefined : records;
}

/** Undefined when the checksum does not follow from the previous one, or the text is not the entry at `index`. */
export function decodeRecord(
  index: LogIndex,
  record: Buffer,
  previousCrc: number,
): { readonly entry: Entry; readonly crc: number } | undefined {
  const crc = record.readUInt32BE(0);
  if (crc32c(record, previousCrc, 4) !== crc) return undefined;
  const text = record.toString("utf8", 4);
  const ownIndex = `${index} `;
  const entry = text.startsWith(ownIndex) ? parseEntry(index, text.slice(ownIndex.length)) : undefined;
  return entry === undefined ? undefined : { entry, crc };
}

function payloadOf(entry: Entry): string {
  switch (entry.kind) {
    case "empty":
      return "";
    case "command":
      return entry.data;
    case "config":
      return JSON.stringify(entry.change);
  }
}

/** Reads `<term> <kind> <payload>`. */
export function parseEntry(index: LogIndex, text: string): Entry | undefined {
  const firstSpace = text.indexOf(" ");
  const secondSpace = text.indexOf(" ", firstSpace + 1);
  if (firstSpace < 1 || secondSpace === -1) return undefined;
  const term = Number(text.slice(0, firstSpace));
  const payload = text.slice(secondSpace + 1);
  if (!Number.isSafeInteger(term)) return undefined;
  switch (text.slice(firstSpace + 1, secondSpace)) {
    case "empty":
      return { index, term, kind: "empty" };
    case "command":
      return { index, term, kind: "command", data: payload };
    case "config": {
      const change = decodeConfigChange(payload);
      return change === undefined ? undefined : { index, term, kind: "config", change };
    }
    default:
      return undefined;
  }
}
