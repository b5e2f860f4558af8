import { describe, expect, test } from "bun:test";
import { eventually } from "../fakes/eventually.ts";
import { CatalogClient } from "./catalog-client.ts";
import { Cluster } from "./cluster.ts";
import type { FaultKind } from "./faults.ts";
import { judge } from "./judge.ts";
import { whyNoMultiServer } from "./multi-server-support.ts";
import { runRounds } from "./rounds.ts";
import { isClean, summaryOf } from "./summary.ts";
import { Workload } from "./workload.ts";

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
  expect(report.acknowledged).toBeGreaterThan(10);
}

test("one server that is killed and stopped under load loses nothing and reads nothing stale", async () => {
  await expectClean(1, ["kill-leader", "pause-leader"]);
}, 60_000);

test("a server that comes back without its data is caught by all three judges", async () => {
  const cluster = await Cluster.start({ size: 1 });
  try {
    const server = await cluster.waitForLeader();
    const workload = new Workload({ ports: [server.httpPort], clients: 4, seed: 1 });
    await eventually("some writes", () => workload.acknowledged > 100);
    await server.end("SIGKILL");
    server.wipe();
    await server.start();
    const record = await workload.finish();
    const judgement = judge(record, await new CatalogClient(server.httpPort).readOnce(record.onceServices));
    expect(judgement.lost).not.toBeEmpty();
    expect(judgement.staleReads).not.toBeEmpty();
    expect(judgement.violation).toContain("violation");
  } finally {
    await cluster.stop();
  }
}, 60_000);

describe.skipIf(skipped !== "")(`several servers under load${skipped === "" ? "" : ` (${skipped})`}`, () => {
  test("three lose nothing and read nothing stale when they are killed, paused and cut off", async () => {
    await expectClean(3, ["kill-leader", "pause-leader", "isolate-leader", "one-way-out", "one-way-in", "kill-all"]);
  }, 90_000);

  test("five lose nothing and read nothing stale without two of them", async () => {
    await expectClean(5, ["kill", "partition", "delay"]);
  }, 90_000);
});
