import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { openLevelStore } from "../../../server/log/level-store.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { checkFiles } from "../../../server/raft/shell/file-check.ts";
import { type OneServer, startOneServer } from "../raft/shell/one-server.ts";
import { numberedCommand } from "./numbered-command.ts";

/** A server of its own on the database in `directory`. */
async function openLog(directory: string): Promise<OneServer> {
  await checkFiles(directory);
  return startOneServer({ store: await openLevelStore(directory), directory });
}

test("a restart finds everything as it was", async () => {
  using temp = createTempDir();
  const directory = join(temp.path, "server");
  const first = await openLog(directory);
  await Promise.all(Array.from({ length: 200 }, (_, i) => first.log.propose(numberedCommand(i))));
  await first.log.stop();
  const second = await openLog(directory);
  expect([...second.state.dump()]).toEqual([...first.state.dump()]);
  expect(second.log.clusterId).toBe(first.log.clusterId);
  expect(Number((await second.log.propose(numberedCommand(201))).index)).toBeGreaterThan(201);
  await second.log.stop();
});

test("the directory is made for its owner alone, also when it was open before", async () => {
  using temp = createTempDir();
  for (const name of ["new", "old"]) {
    const directory = join(temp.path, name);
    if (name === "old") mkdirSync(directory, { mode: 0o755 });
    const store = await openLevelStore(directory);
    expect((statSync(directory).mode & 0o777).toString(8)).toBe("700");
    await store.close();
  }
});

test("a directory that another process holds is refused by name, with what to do", async () => {
  using temp = createTempDir();
  const directory = join(temp.path, "server");
  const program = `
    const { openLevelStore } = await import(${JSON.stringify(join(import.meta.dirname, "../../../server/log/level-store.ts"))});
    const store = await openLevelStore(${JSON.stringify(directory)});
    process.stdin.on("end", () => process.exit(0)).resume();
    console.log("holding");
  `;
  const holder = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => holder.on("close", resolve));
  try {
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    const refused = openLevelStore(directory);
    await expect(refused).rejects.toMatchObject({ code: "DATA_DIR_LOCKED" });
    await expect(refused).rejects.toThrow(`data directory ${directory} is in use by another Atoll server: stop that`);
  } finally {
    holder.stdin.end();
    await ended;
  }
  await (await openLevelStore(directory)).close();
});

test("a directory that cannot be made or is not a database is refused with its name", async () => {
  using temp = createTempDir();
  const file = join(temp.path, "file");
  writeFileSync(file, "");
  await expect(openLevelStore(join(file, "server"))).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  const directory = join(temp.path, "server");
  await (await openLevelStore(directory)).close();
  writeFileSync(join(directory, "CURRENT"), "garbage");
  const refused = openLevelStore(directory);
  await expect(refused).rejects.toMatchObject({ code: "DATA_CORRUPT" });
  await expect(refused).rejects.toThrow(directory);
});

for (const kind of [".log", ".ldb"]) {
  test(`a flipped bit in one of LevelDB's ${kind} files is never served: the log opens as it was or not at all`, async () => {
    const random = createSeededRandom(99);
    let refusals = 0;
    for (let round = 0; round < 6; round++) {
      using temp = createTempDir();
      const first = await openLog(temp.path);
      for (let i = 0; i < 40; i++) await first.log.propose(numberedCommand(i));
      await first.log.stop();
      // Opening moves what is in the .log file to an .ldb file.
      if (kind === ".ldb") await (await openLog(temp.path)).log.stop();
      const before = [...first.state.dump()];
      const [name = ""] = readdirSync(temp.path).filter((file) => file.endsWith(kind));
      const bytes = readFileSync(join(temp.path, name));
      // The end of a .log is left alone: a lost tail cannot be told from writes that never happened.
      const at = Math.floor(random.float() * bytes.length * (kind === ".log" ? 0.9 : 1));
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random.float() * 8));
      writeFileSync(join(temp.path, name), bytes);
      try {
        const second = await openLog(temp.path);
        expect([...second.state.dump()]).toEqual(before);
        await second.log.stop();
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "DATA_CORRUPT" });
        refusals++;
      }
    }
    expect(refusals).toBeGreaterThan(0);
  });
}
