import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openLevelStore } from "../../../../server/log/level-store.ts";
import { findDamage, readRecords } from "../../../../server/raft/shell/leveldb-log.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";

/** LevelDB's own log of writes of these sizes, as a crash would leave it. */
async function logOf(sizes: readonly number[]): Promise<Buffer> {
  using temp = createTempDir();
  const store = await openLevelStore(temp.path);
  for (const [n, size] of sizes.entries()) {
    await store.write([{ type: "put", key: `key-${n}`, value: Buffer.alloc(size, `value ${n} `) }]);
  }
  const name = readdirSync(temp.path).find((file) => file.endsWith(".log"));
  const log = readFileSync(join(temp.path, name ?? ""));
  await store.close();
  return log;
}

function flipped(log: Buffer, at: number): Buffer {
  const bytes = Buffer.from(log);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  return bytes;
}

/** Within one block, over the border of two, and over several. */
const logs: readonly (readonly [string, readonly number[]])[] = [
  ["short", [100, 900, 40, 300, 700]],
  ["of two blocks", [20_000, 300, 20_000, 300, 10]],
  ["with a record of several blocks", [50, 90_000, 50, 50]],
];

describe.each(logs)("a log %s", (_name, sizes) => {
  test("is read back record by record, and is sound", async () => {
    const log = await logOf(sizes);
    const records = [...readRecords(log)];
    expect(records).toHaveLength(sizes.length);
    for (const [n, record] of records.entries()) expect(record.includes(`key-${n}`)).toBe(true);
    expect(findDamage(log)).toBeUndefined();
  });

  test("that a crash cut off anywhere is no damage, also when zeros follow", async () => {
    const log = await logOf(sizes);
    for (let length = 0; length < log.length; length += 173) {
      expect(findDamage(log.subarray(0, length))).toBeUndefined();
      expect(findDamage(Buffer.concat([log.subarray(0, length), Buffer.alloc(5_000)]))).toBeUndefined();
    }
  });

  test("with a flipped bit before its last record is damaged, at or before that bit", async () => {
    const log = await logOf(sizes);
    const lastAt = log.lastIndexOf(`key-${sizes.length - 1}`) - 40;
    for (let at = 0; at < lastAt; at += 97) {
      const found = findDamage(flipped(log, at))?.at;
      expect({ at, isFound: found !== undefined && found <= at }).toEqual({ at, isFound: true });
    }
  });
});

test("a flipped bit in the last record cannot be told from a crash", async () => {
  const log = await logOf([100, 100]);
  expect(findDamage(flipped(log, log.length - 5))).toBeUndefined();
});
