import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";

let root = "";
const locked = {
  "": { name: "atoll" },
  "node_modules/level": { version: "10.0.0" },
  "node_modules/other-platform": { version: "1.0.0", optional: true },
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "atoll-setup-"));
  mkdirSync(join(root, "tools"));
  cpSync(join(import.meta.dir, "..", "..", "tools", "setup.mjs"), join(root, "tools", "setup.mjs"));
  // Stands for npm: says what it was asked for and fails in its own way.
  writeFileSync(join(root, "npm.js"), "console.log('npm', process.argv.slice(2).join(' ')); process.exit(7);");
  writeFileSync(join(root, "package-lock.json"), JSON.stringify({ packages: locked }));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("a fresh clone is installed with npm ci, whose exit code is passed on", () => {
  expect(setUp()).toEqual({
    code: 7,
    lines: [
      "setup: node_modules is missing or incomplete; running npm ci",
      "npm ci --include=dev --include=optional --no-audit --no-fund",
    ],
  });
});

test("what is installed as locked is left alone, without the packages of other platforms", () => {
  writeInstalled({ "node_modules/level": { version: "10.0.0" } });
  expect(setUp()).toEqual({ code: 0, lines: [] });
});

test("a package in another version than the locked one is installed again", () => {
  writeInstalled({ "node_modules/level": { version: "9.0.0" } });
  expect(setUp().lines[0]).toBe("setup: node_modules/level is 9.0.0, locked is 10.0.0; running npm ci");
});

function writeInstalled(packages: unknown): void {
  mkdirSync(join(root, "node_modules"));
  writeFileSync(join(root, "node_modules", ".package-lock.json"), JSON.stringify({ packages }));
}

function setUp() {
  const done = spawnSync(process.execPath, [join(root, "tools", "setup.mjs")], {
    encoding: "utf8",
    env: { npm_execpath: join(root, "npm.js") },
  });
  return { code: done.status, lines: done.stdout.split("\n").filter((line) => line !== "") };
}
