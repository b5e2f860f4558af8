import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { openLevelStore } from "../../server/log/level-store.ts";
import { sealJson } from "../../server/log/sealed-value.ts";
import { defaultCoreConfig } from "../../server/raft/core/types.ts";
import { boundsKey, stateKey } from "../../server/raft/shell/disk-layout.ts";
import { tickMs } from "../../server/raft/shell/node.ts";
import { recoverLog } from "../../server/raft/shell/recover-log.ts";
import { sealRow } from "../../server/raft/shell/row-seal.ts";
import { eventually } from "../fakes/eventually.ts";
import { type ClusterMember, type ServerCluster, startCluster } from "./cluster-harness.ts";
import { registerCommand, serviceFields } from "./state/records.ts";

const nodes = 50;
const electionTimeoutMs = defaultCoreConfig.electionTicks * tickMs;
const limits = { trailingEntries: 256, stateHashEvery: 200 };

async function writeMany(leader: ClusterMember, count: number): Promise<void> {
  const { log } = leader.server();
  const writes = Array.from({ length: count }, (_, n) =>
    log.propose(registerCommand(`n${n % nodes}`, { service: serviceFields("web", { Port: 1 + (n % 60_000) }) })),
  );
  await Promise.all(writes);
}

function followersOf(cluster: ServerCluster, leader: ClusterMember): readonly [ClusterMember, ClusterMember] {
  const [one, other] = cluster.members.filter((member) => member !== leader);
  if (one === undefined || other === undefined) throw new Error("a cluster of three has two followers");
  return [one, other];
}

function said(member: ClusterMember, text: string): boolean {
  return member.runtime().lines.some((line) => line.includes(text));
}

test("a server that was away for longer than the log is kept is brought up to date by a snapshot", async () => {
  await using cluster = await startCluster(3, { limits });
  const leader = await cluster.leader();
  const [away] = followersOf(cluster, leader);
  await away.stop();
  // For an election timeout or two it counts as active, and what it needs is kept for it.
  const stoppedMs = performance.now();
  await eventually("the log to be cut", async () => {
    await writeMany(leader, 16);
    const isLongAway = performance.now() - stoppedMs > 2 * electionTimeoutMs + 500;
    return isLongAway && leader.server().operator.status().lastIndex > 2 * limits.trailingEntries;
  });
  await away.start({ limits });
  const applied = (member: ClusterMember): number => member.server().operator.status().appliedIndex;
  await eventually("the server that was away", () => applied(away) === applied(leader), 20_000);
  expect(said(leader, "sent a snapshot")).toBe(true);
  expect(said(away, "received a snapshot")).toBe(true);
  const dump = (member: ClusterMember): unknown => member.server().reader.serviceInstances("web").value;
  expect(dump(away)).toEqual(dump(leader));

  // It goes on from there: what follows comes by the log, and a restart finds it all.
  await writeMany(leader, 10);
  await eventually("the entries that follow", () => applied(away) === applied(leader));
  const snapshots = (): number => leader.runtime().lines.filter((line) => line.includes("sent a snapshot")).length;
  const before = snapshots();
  await away.stop();
  await away.start({ limits });
  await writeMany(leader, 10);
  await eventually("the entries after a restart", () => applied(away) === applied(leader));
  expect(snapshots()).toBe(before);
}, 60_000);

/** Changes a row of a stopped server so that every checksum is right: a fault of memory or of Atoll, not of the disk. */
async function falsify(dataDir: string, node: string): Promise<void> {
  const directory = join(dataDir, "server");
  const store = await openLevelStore(directory);
  const found = await recoverLog(store, { directory, expected: { datacenter: "dc1" } });
  const row = found?.rows.find(({ table, key }) => table === "nodes" && key === node);
  if (found === undefined || row === undefined) throw new Error(`no row of node ${node}`);
  const { bounds, digest } = found;
  const { table, key } = row;
  const { bytes, checksum } = sealRow({ table, key, value: { ...Object(row.value), Address: "10.6.6.6" } });
  digest.put(table, key, checksum);
  const changed = { ...bounds, rowCount: digest.count(), rowDigest: digest.value() };
  await store.write([
    { type: "put", key: stateKey(bounds.generation, { table, key }), value: bytes },
    { type: "put", key: boundsKey, value: sealJson(boundsKey, JSON.stringify(changed)).bytes },
  ]);
  await store.close();
}

test("a server whose state differs from the others' stops and says so, again after a restart, and joins after a wipe", async () => {
  await using cluster = await startCluster(3, { limits });
  const leader = await cluster.leader();
  const [divergent, sound] = followersOf(cluster, leader);
  await leader.server().log.propose(registerCommand("quiet"));
  await eventually("the node on the follower", () => divergent.server().reader.node("quiet").value !== undefined);
  await divergent.stop();
  await falsify(divergent.dataDir, "quiet");
  await divergent.start({ limits });
  await writeMany(leader, 2 * limits.stateHashEvery);
  const reason = /the state at index \d+ differs from the leader's: hash \S+ here, \S+ there; .* wipe its data/;
  await eventually("the end of the divergent server", () => reason.test(divergent.fatal.join()), 20_000);

  await divergent.stop();
  divergent.fatal.length = 0;
  await divergent.start({ limits });
  await eventually("its end after a restart", () => reason.test(divergent.fatal.join()), 20_000);
  await writeMany(leader, 10);
  expect(sound.fatal).toEqual([]);
  expect(leader.fatal).toEqual([]);

  await divergent.stop();
  divergent.fatal.length = 0;
  rmSync(join(divergent.dataDir, "server"), { recursive: true });
  await divergent.start({ limits });
  const address = (): string | undefined => divergent.server().reader.node("quiet").value?.Address;
  await eventually("the true row", () => address() === "10.0.0.1");
  expect(divergent.fatal).toEqual([]);
}, 60_000);
