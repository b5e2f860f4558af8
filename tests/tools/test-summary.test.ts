import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";

const folder = mkdtempSync(join(tmpdir(), "atoll-summary-"));
const script = join(import.meta.dir, "..", "..", "tools", "test-summary.ts");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['tests="12" assertions="40" failures="0" skipped="0"', [], "12 passed, 0 failed", 0],
  ['tests="12" assertions="40" failures="2" skipped="3"', [], "7 passed, 2 failed, 3 skipped", 1],
  ['tests="12" assertions="40" failures="0" skipped="1"', ["lint"], "11 passed, 1 failed, 1 skipped", 1],
  ['tests="12" assertions="40" failures="2" skipped="0"', ["lint", "test"], "10 passed, 3 failed", 1],
  ['tests="12" assertions="40" failures="0" skipped="0"', ["test"], "12 passed, 1 failed", 1],
  ['tests="0" assertions="0" failures="0" skipped="0"', [], "0 passed, 0 failed", 1],
])("a report with %s and failed steps %j ends with: %s", (attributes, failedSteps, lastLine, code) => {
  const report = join(folder, "junit.xml");
  writeFileSync(report, `<?xml version="1.0"?>\n<testsuites name="bun test" ${attributes} time="1">\n</testsuites>\n`);
  expect(summarise(report, failedSteps)).toEqual({ code, lastLine });
});

test("without a report nothing has passed", () => {
  expect(summarise(join(folder, "none.xml"), ["test"])).toEqual({ code: 1, lastLine: "0 passed, 1 failed" });
});

function summarise(report: string, failedSteps: readonly string[]) {
  const done = spawnSync(process.execPath, [script, report, ...failedSteps], { encoding: "utf8" });
  return { code: done.status, lastLine: done.stdout.trimEnd().split("\n").at(-1) };
}
