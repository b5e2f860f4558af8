import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../fakes/eventually.ts";
import { type ClusterMember, createMembers, type ServerCluster, votersOf } from "./cluster-harness.ts";
import { registerCommand, serviceFields } from "./state/records.ts";

const [one, oneAndTwo, two] = [
  { oldest: 1, newest: 1 },
  { oldest: 1, newest: 2 },
  { oldest: 2, newest: 2 },
];

async function write(cluster: ServerCluster, name: string): Promise<void> {
  const command = registerCommand("n1", { service: serviceFields(name) });
  // Leadership may move while the servers are restarted.
  await eventually("the write", async () => {
    const leader = await cluster.leader();
    return await leader
      .server()
      .log.propose(command)
      .catch(() => undefined);
  });
  await eventually(`${name} on every server`, () =>
    cluster.members.filter((member) => member.isRunning()).every((member) => services(member).includes(name)),
  );
}

function services(member: ClusterMember): readonly string[] {
  return member
    .server()
    .reader.nodeServices("n1")
    .value.map((service) => service.Service);
}

test("servers of two releases work together, one is replaced after the other, and only what is too old is refused", async () => {
  await using cluster = await createMembers(3);
  const [a, b, c] = cluster.members;
  if (a === undefined || b === undefined || c === undefined) throw new Error("three members");
  const restart = async (member: ClusterMember, protocols: typeof one): Promise<void> => {
    await member.stop();
    await member.start({ protocols });
  };
  await Promise.all([a, b, c].map((member) => member.start({ protocols: one })));
  await votersOf(cluster, 3);
  await write(cluster, "before");

  await restart(a, oneAndTwo);
  await write(cluster, "one-upgraded");
  await restart(b, oneAndTwo);
  await restart(c, oneAndTwo);
  await restart(a, two);
  await write(cluster, "first-version-dropped-on-one");
  await restart(b, two);
  await write(cluster, "first-version-dropped-on-two");

  // A member that is put back to the first release is in nobody's way, and told why nobody talks to it.
  await restart(c, one);
  const refusal = /speaks protocol 1, .* 2: upgrade/;
  await eventually("the refusal in its log", () => c.runtime().lines.some((line) => refusal.test(line)));
  await eventually("a write without it", async () => {
    const leader = [a, b].find((member) => member.server().log.leadership().isLeader);
    const command = registerCommand("n1", { service: serviceFields("without-it") });
    return await leader
      ?.server()
      .log.propose(command)
      .catch(() => undefined);
  });
  expect(services(c)).not.toContain("without-it");

  // Neither is it taken in anew, and then it ends with the reason.
  await c.stop();
  rmSync(join(c.dataDir, "server"), { recursive: true });
  await expect(c.start({ protocols: one })).rejects.toMatchObject({ code: "PROTOCOL_MISMATCH" });
  await c.start({ protocols: oneAndTwo });
  await write(cluster, "all-again");
}, 60_000);
