import { describe, expect, test } from "bun:test";
import { createTestCluster } from "./test-cluster.ts";

describe("three replicas", () => {
  test("a write is answered when it is applied and reaches every server", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    const write = cluster.propose("r1", "a=1");
    cluster.settle();
    expect(cluster.outcome(write)).toMatchObject({ ok: true, result: { count: 1 } });
    expect(cluster.server("r1").machine.notifications()).toBeGreaterThan(1);
    cluster.tick(4);
    expect(cluster.servers.map(({ machine }) => machine.get("a"))).toEqual(["1", "1", "1"]);
  });

  test("a server elects itself in a cluster of one without an election timeout", () => {
    const cluster = createTestCluster({ ids: ["r1"] });
    cluster.tick(1);
    const write = cluster.propose("r1", "a=1");
    cluster.settle();
    expect(cluster.outcome(write)).toMatchObject({ ok: true });
  });

  test("acknowledged writes survive elections, crashes and restarts of every server in turn", () => {
    const cluster = createTestCluster();
    const acknowledged: string[] = [];
    for (let round = 0; round < 12; round++) {
      cluster.tick(60);
      const { id } = cluster.leader();
      for (let i = 0; i < 5; i++) {
        const data = `k${round}-${i}=v`;
        const write = cluster.propose(id, data);
        cluster.settle();
        if (cluster.outcome(write)?.ok === true) acknowledged.push(data);
      }
      cluster.crash(id);
      cluster.tick(60);
      expect(cluster.leader().id).not.toBe(id);
      cluster.restart(id);
    }
    cluster.tick(60);
    expect(acknowledged.length).toBe(60);
    for (const { machine } of cluster.servers) {
      for (const data of acknowledged) expect(machine.get(data.split("=")[0] ?? "")).toBe("v");
    }
  });

  test("a follower counts the ticks since it heard its leader", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.tick(10);
    expect(cluster.server("r2").replica.status.ticksSinceLeader).toBeLessThan(3);
    cluster.server("r2").isCutOff = true;
    cluster.tick(10);
    expect(cluster.server("r2").replica.status.ticksSinceLeader).toBeGreaterThan(8);
    expect(cluster.server("r1").replica.status.ticksSinceLeader).toBe(0);
  });

  test("all servers down at once come back with everything that was acknowledged", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    for (let i = 0; i < 20; i++) cluster.propose("r1", `k${i}=v`);
    cluster.settle();
    for (const { id } of cluster.servers) cluster.crash(id);
    for (const { id } of cluster.servers) cluster.restart(id);
    cluster.tick(60);
    for (const { machine } of cluster.servers) expect(machine.get("k19")).toBe("v");
  });
});
