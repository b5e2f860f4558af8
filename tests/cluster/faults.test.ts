import { describe, expect, test } from "bun:test";
import type { FaultKind } from "./faults.ts";
import { whyNoMultiServer } from "./multi-server-support.ts";
import { runRounds } from "./rounds.ts";
import { isClean, summaryOf } from "./summary.ts";

const skipped = await whyNoMultiServer();

async function expectClean(servers: number, kinds: readonly FaultKind[]): Promise<void> {
  const seed = Number(process.env["ATOLL_SEED"] ?? Date.now() % 1_000_000);
  const isOver = (injected: number): boolean => injected >= kinds.length;
  const report = await runRounds({ servers, seed, kinds, isOver, maxFaultMs: 1_500 });
  process.stdout.write(`${summaryOf(report)}\n`);
  expect({ seed, violation: report.violation, lost: report.lost, stale: report.staleReads }).toEqual({
    seed,
    violation: "",
    lost: [],
    stale: [],
  });
  expect(isClean(report)).toBe(true);
  expect(report.acknowledged).toBeGreaterThan(50);
}

test("one server that is killed and stopped under load loses nothing and reads nothing stale", async () => {
  await expectClean(1, ["kill-leader", "pause-leader"]);
}, 60_000);

describe.skipIf(skipped !== "")(`several servers under load${skipped === "" ? "" : ` (${skipped})`}`, () => {
  test("three lose nothing and read nothing stale when they are killed, paused and cut off", async () => {
    await expectClean(3, ["kill-leader", "pause-leader", "isolate-leader", "one-way-out", "one-way-in", "kill-all"]);
  }, 90_000);

  test("five lose nothing and read nothing stale without two of them", async () => {
    await expectClean(5, ["kill", "partition", "delay"]);
  }, 90_000);
});
