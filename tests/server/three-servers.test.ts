import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../fakes/eventually.ts";
import { type ClusterMember, createMembers, type ServerCluster, startCluster, votersOf } from "./cluster-harness.ts";
import { registerCommand, serviceFields } from "./state/records.ts";

async function write(member: ClusterMember, name: string): Promise<number> {
  const { index } = await member.server().log.propose(registerCommand("n1", { service: serviceFields(name) }));
  return index;
}

function services(member: ClusterMember): readonly string[] {
  return member
    .server()
    .reader.nodeServices("n1")
    .value.map((service) => service.Service);
}

async function everywhere(cluster: ServerCluster, names: readonly string[]): Promise<void> {
  await eventually(`${names.join()} on every server`, () =>
    cluster.members.filter((one) => one.isRunning()).every((one) => services(one).join() === names.join()),
  );
}

function follower(cluster: ServerCluster, leader: ClusterMember): ClusterMember {
  const found = cluster.members.find((one) => one !== leader && one.isRunning());
  if (found === undefined) throw new Error("no follower");
  return found;
}

test("three servers started together become one cluster, and a write is on all of them", async () => {
  await using cluster = await startCluster(3);
  const ids = cluster.members.map((one) => String(one.server().clusterId));
  expect(new Set(ids).size).toBe(1);
  const leader = await cluster.leader();
  await write(leader, "web");
  await everywhere(cluster, ["web"]);
  const refused = write(follower(cluster, leader), "api");
  await expect(refused).rejects.toMatchObject({ code: "NO_LEADER", leader: leader.address });
  const roots = cluster.members.map((one) => one.server().reader.caRoots().value.trustDomain);
  expect(new Set(roots).size).toBe(1);
}, 30_000);

test("a follower that caught up shows every write acknowledged before, whichever way it is asked", async () => {
  await using cluster = await startCluster(3);
  const leader = await cluster.leader();
  const reader = follower(cluster, leader);
  await write(leader, "svc-0");
  // The stream to the leader needs a certificate of the authority that the first write came behind.
  await eventually("a first read", () => reader.server().followerReads?.catchUp("leader"));
  for (let round = 1; round <= 40; round++) {
    await write(leader, `svc-${String(round)}`);
    const isFresh = await reader.server().followerReads?.catchUp(round % 2 === 0 ? "leader" : "consistent");
    expect(isFresh).toBe(true);
    expect(services(reader)).toContain(`svc-${String(round)}`);
  }
}, 30_000);

test("a follower has its requests run by whoever leads, also when that changes", async () => {
  await using cluster = await startCluster(3);
  for (const { name, server } of cluster.members) {
    server().setForwardHandler(async ({ url, body }) => ({ status: 200, headers: { by: name, url }, body }));
  }
  const first = await cluster.leader();
  const never = new AbortController().signal;
  const ask = (leader: ClusterMember, url: string) =>
    follower(cluster, leader)
      .server()
      .leaderLink.forward(leader.address, { method: "PUT", url, headers: {}, body: Buffer.from(url) }, never);
  const urls = Array.from({ length: 50 }, (_, i) => `/v1/kv/${i}`);
  for (const [i, answer] of (await Promise.all(urls.map((url) => ask(first, url)))).entries()) {
    expect(answer).toMatchObject({ status: 200, headers: { by: first.name, url: urls[i] } });
  }
  await first.stop();
  await expect(ask(first, "/v1/kv/late")).rejects.toMatchObject({ code: "NO_LEADER" });
  const second = await cluster.leader();
  expect((await ask(second, "/v1/kv/next")).headers["by"]).toBe(second.name);
}, 30_000);

test("the leader stops, another one takes over, and the old one comes back", async () => {
  await using cluster = await startCluster(3);
  const first = await cluster.leader();
  await write(first, "web");
  await first.stop();
  const second = await cluster.leader();
  await write(second, "api");
  await first.start();
  await everywhere(cluster, ["api", "web"]);
  expect(await second.server().log.readIndex()).toBeGreaterThan(0);
}, 30_000);

test("servers that are all told to stop at once stop without an alarm, and come back with everything", async () => {
  await using cluster = await startCluster(3);
  await write(await cluster.leader(), "web");
  await everywhere(cluster, ["web"]);
  const before = cluster.members.map((one) => one.runtime().lines.length);
  await Promise.all(cluster.members.map((one) => one.stop()));
  const said = cluster.members.flatMap((one, i) => one.runtime().lines.slice(before[i]));
  const alarms = said.filter((line) => /\[(?:WARN|ERROR)\]/.test(line) && !line.includes("a server cannot be reached"));
  expect(alarms).toEqual([]);
  await Promise.all(cluster.members.map((one) => one.start()));
  await write(await cluster.leader(), "api");
  await everywhere(cluster, ["api", "web"]);
}, 30_000);

test("a wiped server joins under a new id, by a snapshot when the log no longer reaches back", async () => {
  await using cluster = await startCluster(3);
  const leader = await cluster.leader();
  const lost = follower(cluster, leader);
  const oldId = lost.server().operator.nodeId;
  await lost.stop();
  rmSync(join(lost.dataDir, "server"), { recursive: true });
  await write(leader, "web");
  await lost.start();
  expect(lost.server().operator.nodeId).not.toBe(oldId);
  await everywhere(cluster, ["web"]);
  await leader.server().operator.remove(oldId);
  await leader.server().operator.promote(lost.server().operator.nodeId);
  await votersOf(cluster, 3);
}, 30_000);

test("a server that was removed while it was down is told so when it comes back", async () => {
  await using cluster = await startCluster(3);
  const leader = await cluster.leader();
  const removed = follower(cluster, leader);
  const { nodeId } = removed.server().operator;
  await removed.stop();
  await leader.server().operator.remove(nodeId);
  await removed.start();
  await eventually("the advice", () =>
    removed.runtime().lines.some((line) => line.includes("this server was removed from its cluster")),
  );
}, 30_000);

test("leadership is handed over on request, and to nobody who is not a voter", async () => {
  await using cluster = await startCluster(3);
  const leader = await cluster.leader();
  const next = follower(cluster, leader);
  await expect(leader.server().operator.transferLeadership("nobody")).rejects.toMatchObject({ code: "CONFLICT" });
  await leader.server().operator.transferLeadership(next.server().operator.nodeId);
  expect(await cluster.leader()).toBe(next);
}, 30_000);

test("a server that is started alone waits for the others and begins no cluster", async () => {
  await using cluster = await createMembers(3);
  const [one] = cluster.members;
  if (one === undefined) throw new Error("no member");
  const stop = new AbortController();
  const starting = one.start({ signal: stop.signal });
  await eventually("the wait", () => one.runtime().lines.some((line) => line.includes("1 of 3 servers are up")));
  stop.abort();
  await expect(starting).rejects.toMatchObject({ code: "UNAVAILABLE" });
}, 30_000);
