/**
 * The last line of a CI run: `N passed, N failed, N skipped` from a JUnit report. Arguments: the report, then the names of
 * CI steps that failed. Each counts as one failure more, but `test` only when the report has none: a file that cannot be
 * loaded is in no report. Exits 1 when anything failed or nothing was run.
 */
import { readFileSync } from "node:fs";
import { errorMessage } from "../lib/base/errors.ts";

const [reportPath = "", ...failedSteps] = process.argv.slice(2);
const totals = readTotals(reportPath);
const unreported = failedSteps.filter((step) => step !== "test" || totals.failed === 0);
const failed = totals.failed + unreported.length;
if (failedSteps.length > 0) console.log(`failed steps: ${failedSteps.join(", ")}`);
console.log(`${totals.passed} passed, ${failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ""}`);
process.exit(failed > 0 || totals.passed === 0 ? 1 : 0);

function readTotals(path: string): { passed: number; failed: number; skipped: number } {
  try {
    const attributes = /<testsuites\b([^>]*)>/.exec(readFileSync(path, "utf8"))?.[1] ?? "";
    const read = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0);
    const failed = read("failures") + read("errors");
    return { passed: read("tests") - failed - read("skipped"), failed, skipped: read("skipped") };
  } catch (thrown) {
    console.log(`no test report: ${errorMessage(thrown)}`);
    return { passed: 0, failed: 0, skipped: 0 };
  }
}
