import { expect, test } from "bun:test";
import { createThresholds } from "../../../agent/checks/thresholds.ts";
import type { CheckStatus } from "../../../lib/contract/catalog.ts";

const letters: Readonly<Record<string, CheckStatus>> = { p: "passing", w: "warning", c: "critical" };

/** Judges a word of results and writes down what was reported, `-` for nothing. */
function judged(word: string, limits: readonly [success: number, warning: number, critical: number]): string {
  const [successBeforePassing, failuresBeforeWarning, failuresBeforeCritical] = limits;
  const thresholds = createThresholds({ successBeforePassing, failuresBeforeWarning, failuresBeforeCritical });
  return [...word].map((letter) => thresholds.judge(letters[letter] ?? "critical")?.[0] ?? "-").join("");
}

test.each([
  ["without limits every result counts", "pcwcp", [0, 0, 0], "pcwcp"],
  ["passing needs successes in a row", "ppcppp", [3, 0, 0], "--c--p"],
  ["a warning is a success that is reported as it is", "ww", [2, 0, 0], "-w"],
  ["critical needs failures in a row", "ccpccc", [0, 3, 3], "--p--c"],
  ["fewer failures are a warning first", "cccc", [0, 2, 3], "-wcc"],
] as const)("%s: %s", (_what, word, limits, expected) => {
  expect(judged(word, limits)).toBe(expected);
});
