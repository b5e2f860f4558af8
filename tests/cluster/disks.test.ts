import { describe, expect, test } from "bun:test";
import { eventually } from "../fakes/eventually.ts";
import { CatalogClient } from "./catalog-client.ts";
import { Cluster } from "./cluster.ts";
import { objectionTo, replaceMember, startDamaged } from "./damage.ts";
import { SmallDisk, whyNoSmallDisk } from "./full-disk.ts";
import { judge } from "./judge.ts";
import { whyNoMultiServer } from "./multi-server-support.ts";
import type { ServerProcess } from "./server-process.ts";
import { Workload } from "./workload.ts";

const noServers = await whyNoMultiServer();
const noDisk = noServers || whyNoSmallDisk();
const because = (reason: string): string => (reason === "" ? "" : ` (${reason})`);

async function fill(server: ServerProcess, count: number): Promise<void> {
  const catalog = new CatalogClient(server.httpPort);
  for (let n = 0; n < count; n++)
    expect(await catalog.write(`fill-${n}`, "v".repeat(100))).toMatchObject({ kind: "done" });
}

for (const part of ["log", "table"] as const) {
  test(`a server with flipped bits in its ${part} refuses to start and says where`, async () => {
    const cluster = await Cluster.start({ size: 1 });
    try {
      const server = await cluster.waitForLeader();
      await fill(server, 60);
      expect(objectionTo(await startDamaged(server, part))).toBe("");
    } finally {
      await cluster.stop();
    }
  }, 60_000);
}

describe.skipIf(noServers !== "")(`a damaged member${because(noServers)}`, () => {
  test("refuses to start and comes back under a new id after a wipe, while writes go on", async () => {
    const cluster = await Cluster.start({ size: 3 });
    try {
      const leader = await cluster.waitForLeader();
      const ports = cluster.servers.map((server) => server.httpPort);
      const workload = new Workload({ ports, clients: 3, seed: 1 });
      const victim = cluster.servers.find((server) => server !== leader);
      if (victim === undefined) throw new Error("a cluster of three has a follower");
      await eventually("some writes", () => workload.acknowledged > 200);
      expect(objectionTo(await startDamaged(victim, "log"))).toBe("");
      await replaceMember(cluster, victim);
      const record = await workload.finish();
      const judgement = judge(record, await new CatalogClient(victim.httpPort).readOnce(record.onceServices));
      expect(judgement).toMatchObject({ lost: [], staleReads: [], violation: "" });
    } finally {
      await cluster.stop();
    }
  }, 90_000);
});

describe.skipIf(noDisk !== "")(`a full disk${because(noDisk)}`, () => {
  test("ends the server, and it goes on when there is room again, with nothing lost", async () => {
    const disks: SmallDisk[] = [];
    const cluster = await Cluster.start({
      size: 3,
      beforeStart: (server) => {
        disks.push(new SmallDisk(server.dataDir, 64));
      },
      afterEnd: () => {
        for (const disk of disks) disk[Symbol.dispose]();
      },
    });
    try {
      const leader = await cluster.waitForLeader();
      const disk = disks.find(({ path }) => path === leader.dataDir);
      const ports = cluster.servers.map((server) => server.httpPort);
      const workload = new Workload({ ports, clients: 3, seed: 2 });
      await eventually("some writes", () => workload.acknowledged > 100);
      disk?.fill();
      await eventually("the end of the server whose disk is full", () => leader.hasEndedByItself(), 20_000);
      const acknowledged = workload.acknowledged;
      await cluster.waitForLeader([leader]);
      await eventually("writes without it", () => workload.acknowledged > acknowledged + 50, 20_000);
      disk?.empty();
      await leader.start();
      const record = await workload.finish();
      const judgement = judge(record, await new CatalogClient(leader.httpPort).readOnce(record.onceServices));
      expect(judgement).toMatchObject({ lost: [], staleReads: [], violation: "" });
    } finally {
      await cluster.stop();
    }
  }, 90_000);
});

test.skipIf(whyNoSmallDisk() !== "")(`a small disk is full when it says so${because(whyNoSmallDisk())}`, () => {
  using disk = new SmallDisk(`/tmp/atoll-small-disk-${process.pid}`, 4);
  const file = `${disk.path}/probe`;
  disk.fill();
  const write = (): unknown => Bun.spawnSync(["dd", "if=/dev/zero", `of=${file}`, "bs=64k", "count=1"]).exitCode;
  expect(write()).not.toBe(0);
  disk.empty();
  expect(write()).toBe(0);
});
