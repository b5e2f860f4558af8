import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const list = readFileSync(join(import.meta.dir, "../ATTACKS.md"), "utf8");
const row = /^\| (?<item>.+?) \| .+? \| `(?<file>[^`]+)`: (?<name>.+?) +\| passes +\|$/;

/** Rows of the tables, without their heads and rules. */
const rows = list
  .split("\n")
  .filter((line) => line.startsWith("|") && !/^\| item +\|/.test(line) && !/^\| -/.test(line))
  .map((line) => ({ line, groups: row.exec(line)?.groups }));

test("every attack of the list names its test", () => {
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter(({ groups }) => groups === undefined).map(({ line }) => line)).toEqual([]);
});

test("every test that the list names exists in its file", () => {
  const missing = rows.filter(({ groups }) => {
    const path = join(import.meta.dir, groups?.["file"] ?? "");
    return !existsSync(path) || !readFileSync(path, "utf8").includes(groups?.["name"] ?? "no name");
  });
  expect(missing.map(({ line }) => line)).toEqual([]);
});
