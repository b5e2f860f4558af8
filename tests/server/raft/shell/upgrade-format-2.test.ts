import { expect, test } from "bun:test";
import { crc32c } from "../../../../lib/base/crc32c.ts";
import { sealJson } from "../../../../server/log/sealed-value.ts";
import { boundsKey, entryKey, identityKey } from "../../../../server/raft/shell/disk-layout.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";
import { batch, command, damage, identity, members, openDisk, row } from "./disk.ts";

/** Makes what Atoll 0.1 wrote of a database that was just begun: a value for every entry. */
async function writeFormat2(directory: string, texts: readonly string[]): Promise<void> {
  const log = await openDisk(directory);
  await log.write(batch({ rows: [row("a", { v: 1 })], appliedIndex: 1 }));
  await log.close();
  await damage(directory, async (db) => {
    const json = (key: string, value: unknown) => db.put(key, sealJson(key, JSON.stringify(value)).bytes);
    const bounds: unknown = JSON.parse(Buffer.from((await db.get(boundsKey)) ?? []).toString("utf8", 4));
    let crc = 0;
    for (const [i, text] of texts.entries()) {
      const key = entryKey(i + 2);
      crc = crc32c(Buffer.from(text), crc32c(Buffer.from(key), crc));
      const bytes = Buffer.alloc(4 + Buffer.byteLength(text));
      bytes.writeUInt32BE(crc);
      bytes.write(text, 4);
      await db.put(key, bytes);
    }
    await json(identityKey, { formatVersion: 2, ...identity });
    await json(boundsKey, { ...Object(bounds), last: { index: texts.length + 1, term: 1, crc } });
  });
}

const texts = ['1 command {"n":2}', "1 empty ", '1 command {"n":"Zürich"}'];
const entries = [command(2), { index: 3, term: 1, kind: "empty" as const }, command(4, 1, '{"n":"Zürich"}')];

test("a database of format 2 is taken over with its entries and rows, and written on", async () => {
  using temp = createTempDir();
  await writeFormat2(temp.path, texts);
  const first = await openDisk(temp.path);
  expect(first.identity).toEqual({ formatVersion: 3, ...identity });
  expect(first.stored.entries).toEqual(entries);
  expect(first.takeRows()).toEqual([row("a", { v: 1 })]);
  await first.write(batch({ entries: [command(5)] }));
  await first.close();
  const second = await openDisk(temp.path);
  expect(second.stored.entries).toEqual([...entries, command(5)]);
  expect(second.stored.membership).toEqual(members);
  await second.close();
});

test("a damaged database of format 2 is refused, not taken over", async () => {
  using temp = createTempDir();
  await writeFormat2(temp.path, texts);
  await damage(temp.path, (db) => db.del(entryKey(3)));
  expect(openDisk(temp.path)).rejects.toMatchObject({
    code: "DATA_CORRUPT",
    message: expect.stringContaining(entryKey(3)),
  });
});
