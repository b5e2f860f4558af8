import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../fakes/eventually.ts";
import { startProcessGroup } from "./process-group.ts";

/** Runs a script that writes the id of what it started into a file; whether that lives, before and after the end. */
async function livesAround(script: (file: string) => string): Promise<readonly [before: boolean, after: boolean]> {
  const directory = mkdtempSync(join(tmpdir(), "atoll-group-"));
  const file = join(directory, "pid");
  const group = startProcessGroup(["sh", "-c", script(file)]);
  try {
    const pid = await eventually("the id of the child", () => existsSync(file) && Number(readFileSync(file, "utf8")));
    const lives = (): boolean => /^[^Z]/.test(Bun.spawnSync(["ps", "-o", "stat=", "-p", `${pid}`]).stdout.toString());
    const before = lives();
    await group.end();
    return [before, lives()];
  } finally {
    await group.end();
    rmSync(directory, { recursive: true });
  }
}

test("what a script started ends with it", async () => {
  expect(await livesAround((file) => `sleep 100 & echo $! > ${file}.new; mv ${file}.new ${file}; wait`)).toEqual([
    true,
    false,
  ]);
});

test("what does not listen when it is asked to end is killed", async () => {
  const deaf = (file: string): string =>
    `sh -c 'trap "" TERM; echo $$ > ${file}.new; mv ${file}.new ${file}; while :; do sleep 1; done' & wait`;
  expect(await livesAround(deaf)).toEqual([true, false]);
}, 20_000);
