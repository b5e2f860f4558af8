import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LogFileOptions } from "../../agent/config/process-options.ts";
import { openLogFile } from "../../cli/log-file.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";

let dir: TempDir;
let nowMs = 1_000;

beforeEach(() => {
  dir = createTempDir();
  nowMs = 1_000;
});

afterEach(() => dir[Symbol.dispose]());

function open(options: Partial<LogFileOptions>) {
  const path = join(dir.path, "agent.log");
  const all = { path, rotateAfterMs: 60_000, rotateAfterBytes: 0, maxFiles: 0, ...options };
  return openLogFile(all, { program: "consul", nowMs: () => nowMs });
}

function contents(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(dir.path)
      .toSorted()
      .map((name) => [name, readFileSync(join(dir.path, name), "utf8")]),
  );
}

test("a file is named after its beginning, and a new one begins after the given time", () => {
  const log = open({});
  log.write("one");
  nowMs += 59_999;
  log.write("two");
  nowMs += 1;
  log.write("three");
  log.close();
  expect(contents()).toEqual({ "agent-1000000000.log": "one\ntwo\n", "agent-61000000000.log": "three\n" });
});

test("a new file begins before one grows over the given size", () => {
  const log = open({ path: `${dir.path}/`, rotateAfterBytes: 10 });
  for (const line of ["12345", "678", "a longer line than fits", "x"]) log.write(line);
  log.close();
  expect(Object.values(contents())).toEqual(["12345\n678\n", "a longer line than fits\n", "x\n"]);
  expect(Object.keys(contents())[0]).toBe("consul-1000000000.log");
});

test.each([
  [0, 4],
  [2, 3],
  [-1, 1],
])(
  "with log_rotate_max_files %p, %p files are there after three rotations, and others are left alone",
  (maxFiles, count) => {
    writeFileSync(join(dir.path, "agent-old.log"), "");
    const log = open({ maxFiles, rotateAfterBytes: 1 });
    for (const line of ["1", "2", "3", "4"]) log.write(line);
    log.close();
    expect(Object.keys(contents())).toHaveLength(count + 1);
    expect(Object.values(contents())).toContain("4\n");
  },
);

test("a log file that cannot be made stops the start", () => {
  writeFileSync(join(dir.path, "file"), "");
  expect(() => open({ path: join(dir.path, "file", "agent.log") })).toThrow(/^log_file .* cannot be written: /);
});
