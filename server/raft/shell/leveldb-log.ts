/**
 * LevelDB's log format (doc/log_format.md), in which it keeps what is not in tables yet, and its manifest: blocks of 32 KiB,
 * records behind checksum, length and kind, none across the border of two blocks; a rest too short for a header is padding.
 */
import { crc32c } from "../../../lib/base/crc32c.ts";

const blockBytes = 32_768;
const headerBytes = 7;

/** A record by itself, and the parts of one that does not fit in its block. */
const whole = 1;
const first = 2;
const middle = 3;
const last = 4;

/** What was written, in order, up to the first record that cannot be read. */
export function* readRecords(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  for (let at = 0; at + headerBytes <= log.length; ) {
    const end = isPadding(at) ? nextBlock(at) : endOfSound(log, at);
    if (end === undefined) return;
    if (!isPadding(at)) {
      const kind = log.readUInt8(at + 6);
      parts.push(log.subarray(at + headerBytes, end));
      if (kind === whole || kind === last) {
        yield Buffer.concat(parts);
        parts = [];
      }
    }
    at = end;
  }
}

/** Where a record lies that is not sound any more, and where the batch begins that it is a part of. */
export interface LogDamage {
  readonly at: number;
  readonly batchAt: number;
}

/**
 * The first record that was sound once; undefined when nothing says so. A crash leaves nothing behind the record that was
 * being written, so one that is not sound and has a sound one behind it has been damaged since: LevelDB would drop it with
 * all that follows in its block and say nothing. The last record alone cannot be told from one that a crash cut off.
 */
export function findDamage(log: Buffer): LogDamage | undefined {
  let batchAt: number | undefined;
  for (let at = 0; at + headerBytes <= log.length; ) {
    const end = isPadding(at) ? nextBlock(at) : endOfSound(log, at);
    if (end === undefined) return hasBeginningBehind(log, at) ? { at, batchAt: batchAt ?? at } : undefined;
    if (!isPadding(at)) {
      const kind = log.readUInt8(at + 6);
      if (kind === first) batchAt = at;
      else if (kind !== middle) batchAt = undefined;
    }
    at = end;
  }
  return undefined;
}

/** The first row that a batch writes, where that can be read in spite of the damage: for people, not to be relied on. */
export function firstKeyOf(log: Buffer, batchAt: number): string | undefined {
  // Number and count of the batch, the kind of its first operation, the length of the key in one byte: ours are short.
  const keyAt = batchAt + headerBytes + 14;
  const key = log.subarray(keyAt, keyAt + (log[keyAt - 1] ?? 0)).toString();
  return key === "" || key.includes("\ufffd") ? undefined : key;
}

/** At any place, since a damaged length says nothing. The parts of the record that a crash cut off do not count. */
function hasBeginningBehind(log: Buffer, damagedAt: number): boolean {
  for (let at = damagedAt + 1; at + headerBytes <= log.length; at++) {
    const kind = log.readUInt8(at + 6);
    if ((kind === whole || kind === first) && !isPadding(at) && endOfSound(log, at) !== undefined) return true;
  }
  return false;
}

function endOfSound(log: Buffer, at: number): number | undefined {
  const kind = log.readUInt8(at + 6);
  const end = at + headerBytes + log.readUInt16LE(at + 4);
  if (![whole, first, middle, last].includes(kind) || end > log.length || end > nextBlock(at)) return undefined;
  return unmask(log.readUInt32LE(at)) === crc32c(log.subarray(at + 6, end)) ? end : undefined;
}

function nextBlock(at: number): number {
  return at - (at % blockBytes) + blockBytes;
}

function isPadding(at: number): boolean {
  return nextBlock(at) - at < headerBytes;
}

/** Checksums are stored masked, since sums over data that hold sums are weak. */
export function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
