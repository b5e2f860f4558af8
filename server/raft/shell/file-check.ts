/**
 * Verifies the files of a LevelDB database before it is opened. LevelDB 1.20 does not check what it reads from a table
 * unless it is told to, which the addon does not offer, and flipped bits in one can end the whole process (SIGABRT), with
 * nothing said; of its log it drops what is damaged, silently: in a short log that is everything behind the damage, and a
 * log that only ends earlier looks sound to whoever reads the database. Which tables count comes from the manifest: a crash
 * can leave half-written ones behind, which LevelDB deletes. Formats: doc/table_format.md and db/version_edit.cc of LevelDB.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "../../../lib/base/crc32c.ts";
import { systemErrorCode } from "../../../lib/base/errors.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { findDamage, firstKeyOf, readRecords, unmask } from "./leveldb-log.ts";

/** At the end of a table: the handles of two blocks, padding, and a magic number. */
const footerBytes = 48;
const magic = 0xdb4775248b80fb57n;
/** Behind each block: its compression, and the checksum over both. */
const trailerBytes = 5;

/**
 * Rejects with `DATA_CORRUPT`, naming the file, when a log or a table that belongs to the database is damaged. What is
 * missing, and a manifest that cannot be read, are left to LevelDB, which refuses them by itself. It may be done while the
 * database is in use: tables never change, and those that are deleted meanwhile are passed over. `rest` comes before each
 * file, for then nobody should have to wait for the check.
 */
export async function checkFiles(directory: string, rest = async (): Promise<void> => undefined): Promise<void> {
  await checkLogs(directory);
  const current = await readOptional(join(directory, "CURRENT"));
  if (current === undefined) return;
  const manifest = await readOptional(join(directory, current.toString().trim()));
  if (manifest === undefined) return;
  for (const number of liveTables(manifest)) {
    const name = String(number).padStart(6, "0");
    for (const file of [`${name}.ldb`, `${name}.sst`]) {
      await rest();
      const path = join(directory, file);
      const table = await readOptional(path);
      const problem = table === undefined ? undefined : findTableDamage(table);
      if (problem !== undefined) throw damaged({ directory, place: `table ${path}`, problem });
    }
  }
}

/** Also of a log that LevelDB would not look at any more: it was sound when it was closed. */
async function checkLogs(directory: string): Promise<void> {
  const names = (await readdirOptional(directory)).filter((name) => /^\d+\.log$/.test(name));
  for (const name of names.toSorted()) {
    const path = join(directory, name);
    const log = (await readOptional(path)) ?? Buffer.alloc(0);
    const damage = findDamage(log);
    if (damage === undefined) continue;
    const key = firstKeyOf(log, damage.batchAt);
    const rows = key === undefined ? "" : `, part of the batch whose first row has key ${JSON.stringify(key)}`;
    const problem = `the checksum of its record at ${damage.at} is wrong${rows}`;
    throw damaged({ directory, place: `log ${path}`, problem });
  }
}

/** What is wrong with a table; undefined for a sound one. */
function findTableDamage(table: Buffer): string | undefined {
  const footerAt = table.length - footerBytes;
  if (footerAt < 0 || table.readBigUInt64LE(table.length - 8) !== magic) return "it does not end as a table does";
  try {
    const footer = { bytes: table, at: footerAt };
    const filters = readHandle(footer);
    let previous = "";
    for (const { handle, key } of readIndex(openBlock(table, readHandle(footer)))) {
      const range = `keys ${JSON.stringify(previous)} and ${JSON.stringify(key)}`;
      openBlock(table, handle, { isRead: false, rows: `, which has the rows between ${range}` });
      previous = key;
    }
    for (const { handle } of readIndex(openBlock(table, filters)))
      openBlock(table, handle, { isRead: false, rows: "" });
    return undefined;
  } catch (thrown) {
    // What a checksum does not cover is the footer: it points anywhere then.
    if (thrown instanceof BlockDamage || thrown instanceof RangeError) return thrown.message;
    throw thrown;
  }
}

class BlockDamage extends Error {}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/** The contents of a block whose checksum is right, uncompressed; nothing when they are not to be read. */
function openBlock(table: Buffer, { offset, size }: Handle, { isRead, rows } = { isRead: true, rows: "" }): Buffer {
  const end = offset + size;
  if (end + trailerBytes > table.length - footerBytes)
    throw new BlockDamage("its footer or index points outside of it");
  const kind = table.readUInt8(end);
  if (unmask(table.readUInt32LE(end + 1)) !== crc32c(table.subarray(offset, end + 1))) {
    throw new BlockDamage(`the checksum of its block at ${offset} is wrong${rows}`);
  }
  const block = table.subarray(offset, end);
  if (!isRead) return Buffer.alloc(0);
  return kind === 1 ? uncompress(block) : block;
}

interface IndexEntry {
  /** Not before the last key of the block and before the first of the next, though maybe none of either. */
  readonly key: string;
  readonly handle: Handle;
}

/** What an index block says: keys that share prefixes with the one before, each with a handle; then restart points. */
function readIndex(block: Buffer): IndexEntry[] {
  const entries: IndexEntry[] = [];
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4);
  const cursor = { bytes: block, at: 0 };
  let stored = Buffer.alloc(0);
  while (cursor.at < end) {
    const sharedBytes = readVarint(cursor);
    const keyBytes = readVarint(cursor);
    const valueBytes = readVarint(cursor);
    stored = Buffer.concat([stored.subarray(0, sharedBytes), block.subarray(cursor.at, cursor.at + keyBytes)]);
    cursor.at += keyBytes;
    const next = cursor.at + valueBytes;
    // Behind each key are the number of its write and its kind.
    const key = stored.subarray(0, Math.max(0, stored.length - 8)).toString();
    entries.push({ key, handle: readHandle(cursor) });
    cursor.at = next;
  }
  return entries;
}

function readHandle(cursor: Cursor): Handle {
  return { offset: readVarint(cursor), size: readVarint(cursor) };
}

function readVarint(cursor: Cursor): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = cursor.bytes.readUInt8(cursor.at++);
    value += (byte & 127) * factor;
    if (byte < 128) return value;
  }
}

/** Snappy (its format_description.txt), of a block whose checksum has been found right. */
function uncompress(block: Buffer): Buffer {
  const cursor = { bytes: block, at: 0 };
  const out = Buffer.alloc(readVarint(cursor));
  let length = 0;
  while (cursor.at < block.length) {
    const tag = block.readUInt8(cursor.at++);
    const kind = tag & 3;
    if (kind === 0) {
      const extra = Math.max(0, (tag >> 2) - 59);
      const size = (extra === 0 ? tag >> 2 : block.readUIntLE(cursor.at, extra)) + 1;
      cursor.at += extra;
      length += block.copy(out, length, cursor.at, cursor.at + size);
      cursor.at += size;
      continue;
    }
    const distanceBytes = kind === 3 ? 4 : kind;
    const low = block.readUIntLE(cursor.at, distanceBytes);
    const distance = kind === 1 ? ((tag >> 5) << 8) | low : low;
    const size = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    cursor.at += distanceBytes;
    // A copy may reach into what it writes itself.
    for (let n = 0; n < size; n++, length++) out[length] = out[length - distance] ?? 0;
  }
  return out;
}

/** The tables that the manifest's edits leave, by number; those up to the first record that cannot be read. */
function liveTables(manifest: Buffer): ReadonlySet<number> {
  const live = new Set<number>();
  for (const record of readRecords(manifest)) applyEdit({ bytes: record, at: 0 }, live);
  return live;
}

/** Each field of an edit begins with its tag; an unknown one ends the reading: LevelDB refuses it too. */
function applyEdit(edit: Cursor, live: Set<number>): void {
  const skipText = (): void => {
    const size = readVarint(edit);
    edit.at += size;
  };
  while (edit.at < edit.bytes.length) {
    switch (readVarint(edit)) {
      case 1:
        skipText();
        break;
      case 2:
      case 3:
      case 4:
      case 9:
        readVarint(edit);
        break;
      case 5:
        readVarint(edit);
        skipText();
        break;
      case 6:
        readVarint(edit);
        live.delete(readVarint(edit));
        break;
      case 7:
        readVarint(edit);
        live.add(readVarint(edit));
        readVarint(edit);
        skipText();
        skipText();
        break;
      default:
        return;
    }
  }
}

async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes(systemErrorCode(thrown) ?? "")) return undefined;
    throw thrown;
  }
}

async function readdirOptional(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(thrown) ?? "")) return [];
    throw thrown;
  }
}

function damaged(found: { readonly directory: string; readonly place: string; readonly problem: string }): AtollError {
  const { directory, place, problem } = found;
  return new AtollError(
    "DATA_CORRUPT",
    `data directory ${directory} is damaged in ${place}: ${problem}; move the directory away and start this ` +
      "server again with -join: it joins its cluster under a new id. Without other servers, restore it from a backup",
  );
}
