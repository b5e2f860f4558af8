/**
 * An entry on disk: four bytes of CRC-32C, then `<term> <kind> <payload>`. The checksum starts from that of the entry
 * before and covers the key too, so that the log is a chain: an entry that LevelDB lost, kept in an old version or moved
 * breaks it for everything behind.
 */
import { crc32c, crc32cText } from "../../../lib/base/crc32c.ts";
import type { Entry, LogIndex } from "../core/types.ts";
import { decodeConfigChange } from "./change-codec.ts";
import { entryKey } from "./disk-layout.ts";

const checksumBytes = 4;

export interface EncodedEntry {
  readonly bytes: Uint8Array;
  readonly crc: number;
}

export function encodeEntry(entry: Entry, previousCrc: number): EncodedEntry {
  const text = `${entry.term} ${entry.kind} ${payloadOf(entry)}`;
  const bytes = Buffer.allocUnsafe(checksumBytes + Buffer.byteLength(text));
  bytes.write(text, checksumBytes);
  const crc = chain(entry.index, bytes, previousCrc);
  bytes.writeUInt32BE(crc, 0);
  return { bytes, crc };
}

/** Undefined when the checksum does not follow from the previous one, or the text is no entry. */
export function decodeEntry(
  index: LogIndex,
  stored: Uint8Array,
  previousCrc: number,
): { readonly entry: Entry; readonly crc: number } | undefined {
  if (stored.byteLength <= checksumBytes) return undefined;
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const crc = bytes.readUInt32BE(0);
  if (chain(index, bytes, previousCrc) !== crc) return undefined;
  const entry = parseEntry(index, bytes.toString("utf8", checksumBytes));
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

function parseEntry(index: LogIndex, text: string): Entry | undefined {
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

/** Over the key and what is behind the checksum's own place. */
function chain(index: LogIndex, bytes: Uint8Array, previousCrc: number): number {
  return crc32c(bytes, crc32cText(entryKey(index), previousCrc), checksumBytes);
}
