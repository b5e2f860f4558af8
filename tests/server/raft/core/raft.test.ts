import { describe, expect, test } from "bun:test";
import { members, TestCluster } from "./test-cluster.ts";

describe("three servers", () => {
  test("elect, replicate and commit", () => {
    const cluster = new TestCluster(members(["a", "b", "c"]));
    cluster.elect("a");
    expect(cluster.core("a").status).toEqual({ role: "leader", term: 1, leader: "a" });
    expect(cluster.core("b").status).toEqual({ role: "follower", term: 1, leader: "a" });
    const outcome = cluster.core("a").propose("x");
    expect(outcome).toEqual({ ok: true, index: 2, term: 1 });
    cluster.settle();
    for (const id of ["a", "b", "c"]) expect(cluster.applied(id)).toEqual(["x"]);
  });

  test("a new leader takes over when the first one is cut off", () => {
    const cluster = new TestCluster(members(["a", "b", "c"]));
    cluster.elect("a");
    cluster.isOpen = (message) => message.from !== "a" && message.to !== "a";
    cluster.tick(60);
    expect(cluster.core("a").status.role).not.toBe("leader");
    const leaders = ["b", "c"].filter((id) => cluster.core(id).status.role === "leader");
    expect(leaders).toHaveLength(1);
    cluster.isOpen = () => true;
    cluster.tick(5);
    expect(cluster.core("a").status.leader).toBe(leaders[0] ?? "nobody");
  });
});

test("one server elects itself and commits", () => {
  const cluster = new TestCluster(members(["a"]));
  cluster.elect("a");
  cluster.core("a").propose("x");
  cluster.settle();
  expect(cluster.applied("a")).toEqual(["x"]);
});
