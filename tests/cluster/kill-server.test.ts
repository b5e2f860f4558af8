import { expect, test } from "bun:test";
import { runKillRounds } from "./kill-rounds.ts";

test("a server killed while it takes writes has every acknowledged one after its restart", async () => {
  const report = await runKillRounds(4, () => undefined);
  expect(report.acknowledged).toBeGreaterThan(10);
  expect(report.lost).toEqual([]);
  expect(report.indexFalls).toBe(0);
}, 60_000);
