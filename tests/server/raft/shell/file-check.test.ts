import { expect, test } from "bun:test";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { openLevelStore } from "../../../../server/log/level-store.ts";
import { checkFiles } from "../../../../server/raft/shell/file-check.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";

/** A database with one table or more, of rows that compress and rows that do not; where its largest table is. */
async function makeTables(directory: string): Promise<string> {
  const random = createSeededRandom(7);
  for (let round = 0; round < 3; round++) {
    const store = await openLevelStore(directory);
    for (let n = 0; n < 40; n++) {
      const noise = Buffer.from(Array.from({ length: 200 }, () => Math.floor(random.float() * 256)));
      const operations = [
        { type: "put" as const, key: `noise/${round}-${n}`, value: noise },
        { type: "put" as const, key: `text/${round}-${n}`, value: Buffer.from("the same words again ".repeat(40)) },
      ];
      await store.write(operations);
    }
    await store.close();
  }
  // Opening moves what is in the log to a table.
  await (await openLevelStore(directory)).close();
  const tables = readdirSync(directory).filter((name) => name.endsWith(".ldb"));
  const [largest] = tables
    .map((name) => join(directory, name))
    .toSorted((a, b) => readFileSync(b).length - readFileSync(a).length);
  if (largest === undefined) throw new Error("LevelDB made no table");
  return largest;
}

test("sound tables pass, and so do a directory that is empty and one that does not exist", async () => {
  using temp = createTempDir();
  await checkFiles(join(temp.path, "nowhere"));
  await checkFiles(temp.path);
  await makeTables(temp.path);
  await checkFiles(temp.path);
});

test("a flipped bit anywhere in the blocks of a table is found and its file named", async () => {
  using temp = createTempDir();
  const path = await makeTables(temp.path);
  const sound = readFileSync(path);
  const named = new Set<string>();
  // The padding in the footer means nothing.
  for (let at = 0; at < sound.length - 48; at += 61) {
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    writeFileSync(path, bytes);
    const refused = checkFiles(temp.path);
    await expect(refused).rejects.toMatchObject({ code: "DATA_CORRUPT" });
    await expect(refused).rejects.toThrow(`is damaged in table ${path}: the checksum of its block at `);
    const keys = /which has the rows between keys "(.*)" and "(.*)";/.exec(
      String(await refused.catch((thrown: unknown) => thrown)),
    );
    if (keys !== null) named.add(keys[2] ?? "");
  }
  // Every kind of row lies in a block of its own kind.
  expect([...named].some((key) => key.startsWith("noise/"))).toBe(true);
  expect([...named].some((key) => key.startsWith("text/"))).toBe(true);
  writeFileSync(path, sound);
  await checkFiles(temp.path);
});

test("a table that is cut off, and one whose footer points anywhere, are found", async () => {
  using temp = createTempDir();
  const path = await makeTables(temp.path);
  const sound = readFileSync(path);
  const astray = Buffer.from(sound);
  astray.fill(0xff, sound.length - 48, sound.length - 20);
  for (const bytes of [sound.subarray(0, 20), sound.subarray(0, sound.length - 100), astray]) {
    writeFileSync(path, bytes);
    await expect(checkFiles(temp.path)).rejects.toMatchObject({ code: "DATA_CORRUPT" });
  }
});

test("a half-written table that a crash left behind does not count: LevelDB deletes it", async () => {
  using temp = createTempDir();
  const path = await makeTables(temp.path);
  const orphan = join(temp.path, "999999.ldb");
  copyFileSync(path, orphan);
  writeFileSync(orphan, readFileSync(orphan).subarray(0, 500));
  await checkFiles(temp.path);
});

test("a flipped bit in a log is found and its file and place are named, though LevelDB would open it", async () => {
  using temp = createTempDir();
  const store = await openLevelStore(temp.path);
  for (let n = 0; n < 20; n++) await store.write([{ type: "put", key: `key-${n}`, value: Buffer.alloc(300, "v") }]);
  const name = readdirSync(temp.path).find((file) => file.endsWith(".log")) ?? "";
  const bytes = readFileSync(join(temp.path, name));
  await store.close();
  const path = join(temp.path, name);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
  const refused = checkFiles(temp.path);
  await expect(refused).rejects.toMatchObject({ code: "DATA_CORRUPT" });
  await expect(refused).rejects.toThrow(
    /is damaged in log \S+\.log: the checksum of its record at \d+ is wrong, part of the batch whose first row has key "key-10"/,
  );

  const opened = await openLevelStore(temp.path);
  let found = 0;
  await opened.scan(() => {
    found++;
  });
  await opened.close();
  expect(found).toBe(10);
});

test("damage in the middle of a batch over several blocks names its first row, as readable text", async () => {
  using temp = createTempDir();
  const store = await openLevelStore(temp.path);
  await store.write([{ type: "put", key: "small", value: Buffer.from("v") }]);
  await store.write([
    { type: "put", key: "services/n1\0web", value: Buffer.alloc(100_000, `{"key":"other"}`) },
    { type: "put", key: "behind", value: Buffer.from("v") },
  ]);
  await store.write([{ type: "put", key: "next", value: Buffer.from("v") }]);
  const name = readdirSync(temp.path).find((file) => file.endsWith(".log")) ?? "";
  const bytes = readFileSync(join(temp.path, name));
  await store.close();
  bytes[50_000] = (bytes[50_000] ?? 0) ^ 0x10;
  writeFileSync(join(temp.path, name), bytes);
  await expect(checkFiles(temp.path)).rejects.toThrow(
    String.raw`record at 32768 is wrong, part of the batch whose first row has key "services/n1\u0000web"; move`,
  );
});
