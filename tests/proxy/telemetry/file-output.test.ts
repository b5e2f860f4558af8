import { afterAll, expect, test } from "bun:test";
import { readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../lib/base/clock.ts";
import { FileOutput } from "../../../proxy/telemetry/file-output.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";

const dir = createTempDir();
afterAll(() => dir[Symbol.dispose]());

function write(output: FileOutput, text: string): Promise<Error | undefined> {
  return new Promise((resolve) => output.write(text, resolve));
}

test("a log is made for its owner alone and appended to", async () => {
  const path = join(dir.path, "a.log");
  const first = new FileOutput(path, systemClock);
  expect(await write(first, "a\n")).toBeUndefined();
  first.close();
  const second = new FileOutput(path, systemClock);
  await write(second, "b\n");
  second.close();
  expect(readFileSync(path, "utf8")).toBe("a\nb\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a log that was moved away is made again", async () => {
  const path = join(dir.path, "b.log");
  const output = new FileOutput(path, systemClock);
  await write(output, "a\n");
  renameSync(path, `${path}.1`);
  await eventually("a new file", async () => {
    output.refresh();
    await write(output, "b\n");
    return statSync(path, { throwIfNoEntry: false });
  });
  output.close();
  expect(readFileSync(`${path}.1`, "utf8")).toStartWith("a\n");
  expect(readFileSync(path, "utf8")).toBe("b\n");
});

test("a path that cannot be opened is told, each time", async () => {
  const output = new FileOutput(join(dir.path, "none", "c.log"), systemClock);
  expect((await write(output, "a\n"))?.message).toContain("ENOENT");
  expect((await write(output, "a\n"))?.message).toContain("ENOENT");
});
