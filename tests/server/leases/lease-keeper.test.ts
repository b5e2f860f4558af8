import { afterEach, beforeEach, expect, test } from "bun:test";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { idOf, type LeaseWorld, member, createLeaseWorld } from "./lease-fakes.ts";

let world: LeaseWorld;
const ask = (...names: string[]) => ({ asked: names.map((name) => member(name)), renewed: [] });
const renew = (...names: string[]) => ({ asked: [], renewed: names.map(idOf) });

beforeEach(() => {
  world = createLeaseWorld(["s1"]);
});
afterEach(() => world.close());

async function join(...names: string[]): Promise<void> {
  expect(world.keeper("s1").report("s1", ask(...names))).toEqual({ isKept: true, refused: [], unknown: [] });
  await world.clock.advance(50);
}

test("agents that come together are members by one command, and renewals write nothing", async () => {
  await join("a", "b", "c");
  expect(world.commands).toHaveLength(1);
  await world.renewFor(60_000, "a", "b", "c");
  expect(world.commands).toHaveLength(1);
  expect(world.state.reader.members().value.map(({ Status }) => Status)).toEqual(["alive", "alive", "alive"]);
});

test("who is silent for a term is lost, all that were silent in one command, within 10 s", async () => {
  await join("a", "b", "c");
  await world.clock.advance(5_000);
  world.keeper("s1").report("s1", renew("c"));
  await world.clock.advance(2_500);
  expect(world.statusOf("a")).toBe("alive");
  await world.clock.advance(1_000);
  expect([world.statusOf("a"), world.statusOf("b"), world.statusOf("c")]).toEqual(["failed", "failed", "alive"]);
  expect(world.commands).toHaveLength(2);
});

test("one that was lost is alive again at its first renewal", async () => {
  await join("a");
  await world.clock.advance(9_000);
  expect(world.statusOf("a")).toBe("failed");
  world.keeper("s1").report("s1", renew("a"));
  await world.clock.advance(25);
  expect(world.statusOf("a")).toBe("alive");
});

test("a lost node is removed after the reap time of its class, counted from its loss over any change of leader", async () => {
  world.close();
  world = createLeaseWorld(["s1", "s2"]);
  world.keeper("s1").report("s2", ask());
  world.keeper("s1").report("s1", ask("a"));
  await world.clock.advance(9_000);
  expect(world.statusOf("a")).toBe("failed");
  await world.clock.advance(3_000_000);
  world.lead("s2");
  await world.clock.advance(590_000);
  expect(world.statusOf("a")).toBe("failed");
  await world.clock.advance(20_000);
  expect(world.statusOf("a")).toBeUndefined();
});

test("a new leader gives everybody a full term, and loses who does not come to it", async () => {
  world.close();
  world = createLeaseWorld(["s1", "s2"]);
  world.keeper("s1").report("s2", ask());
  world.keeper("s1").report("s1", ask("a", "b"));
  await world.clock.advance(7_500);
  world.lead("s2");
  await world.clock.advance(7_000);
  expect([world.statusOf("a"), world.statusOf("b")]).toEqual(["alive", "alive"]);
  world.keeper("s2").report("s1", renew("a"));
  await world.clock.advance(2_000);
  expect([world.statusOf("a"), world.statusOf("b")]).toEqual(["alive", "failed"]);
});

test("a leader that stood still takes nobody for lost", async () => {
  await join("a");
  world.clock.stall(60_000);
  await world.clock.advance(1_000);
  expect(world.statusOf("a")).toBe("alive");
  expect(world.runtime.lines.some((line) => line.includes("stood still"))).toBe(true);
  await world.clock.advance(9_000);
  expect(world.statusOf("a")).toBe("failed");
});

test("a name whose lease lasts is refused to another agent, with the reason, and given when the lease is lost", async () => {
  await join("a");
  const wiped = member("a", { ID: idOf("wiped"), Address: "10.0.0.2" });
  const report = { asked: [wiped], renewed: [] };
  const { refused } = world.keeper("s1").report("s1", report);
  expect(refused).toEqual([
    { id: wiped.ID, reason: expect.stringContaining(`reserved by node ${idOf("a")} with name a (10.0.0.1)`) },
  ]);
  await world.clock.advance(9_000);
  expect(world.keeper("s1").report("s1", report).refused).toEqual([]);
  await world.clock.advance(50);
  expect(world.state.reader.member("a")).toMatchObject({ ID: wiped.ID, Status: "alive" });
  // The old agent's renewals are of nobody now.
  expect(world.keeper("s1").report("s1", renew("a")).unknown).toEqual([idOf("a")]);
});

test("a restart with the same id within the term is not seen by anybody", async () => {
  await join("a");
  await world.clock.advance(6_000);
  await join("a");
  await world.clock.advance(6_000);
  expect(world.commands).toHaveLength(1);
  expect(world.statusOf("a")).toBe("alive");
});

test("terms out of bounds are refused with the field and its bounds", () => {
  const report = { asked: [member("a", { TtlMs: 10 })], renewed: [] };
  expect(world.keeper("s1").report("s1", report).refused).toEqual([
    { id: idOf("a"), reason: "lease.ttl must be 1000 ms to 600000 ms, found 10 ms" },
  ]);
  const long = { asked: [member("b", { Build: "x".repeat(256) })], renewed: [] };
  expect(world.keeper("s1").report("s1", long).refused[0]?.reason).toBe(
    "Build is 256 characters long; at most 255 are allowed",
  );
});

test("nothing is written before every server has reported once: an older one would stop at the command", async () => {
  world.close();
  world = createLeaseWorld(["s1", "s2", "s3"]);
  expect(world.keeper("s1").report("s1", ask("a")).isKept).toBe(false);
  expect(world.keeper("s1").report("s2", ask()).isKept).toBe(false);
  await world.clock.advance(20_000);
  expect(world.commands).toEqual([]);
  expect(world.keeper("s1").report("s3", ask()).isKept).toBe(true);
  world.keeper("s1").report("s1", ask("a"));
  await world.clock.advance(50);
  expect(world.statusOf("a")).toBe("alive");
});

test("what cannot be written is decided anew, and nobody is lost twice", async () => {
  await join("a");
  world.mode = "lost";
  await world.clock.advance(12_000);
  expect(world.statusOf("a")).toBe("alive");
  world.keeper("s1").report("s1", renew("a"));
  world.mode = "up";
  await world.clock.advance(1_000);
  expect(world.statusOf("a")).toBe("alive");
});

test("an operator's word takes a lost node out for good, and a living one comes to no harm", async () => {
  await join("a", "b");
  await world.renewFor(10_000, "b");
  expect(world.statusOf("a")).toBe("failed");
  await world.keeper("s1").forceLeave("a", { isForgotten: false });
  expect(world.statusOf("a")).toBe("left");
  await world.keeper("s1").forceLeave("a", { isForgotten: true });
  expect(world.statusOf("a")).toBeUndefined();

  await world.keeper("s1").forceLeave("b", { isForgotten: true });
  await world.renewFor(20_000, "b");
  expect(world.statusOf("b")).toBe("alive");
});

test("a node that was just killed is out some seconds after the operator said so, not as lost but as one that left", async () => {
  await join("a", "b");
  await world.keeper("s1").forceLeave("a", { isForgotten: false });
  await world.keeper("s1").forceLeave("b", { isForgotten: true });
  await world.clock.advance(4_500);
  expect(world.statusOf("a")).toBe("left");
  expect(world.statusOf("b")).toBeUndefined();
});

test("an unknown node cannot be forced to leave, in Consul's words; only the leader is asked", async () => {
  const unknown = world.keeper("s1").forceLeave("nobody", { isForgotten: false });
  await expect(unknown).rejects.toThrow("agent: No node found with name 'nobody'");
  world.lead("elsewhere");
  expect(() => world.keeper("s1").report("s1", ask())).toThrow(AtollError);
});

test("a renewal that was under way when its agent left does not bring it back, one that goes on does", async () => {
  await join("a");
  await world.keeper("s1").forceLeave("a", { isForgotten: false });
  await world.clock.advance(4_500);
  expect(world.statusOf("a")).toBe("left");
  const again = member("a");
  world.keeper("s1").report("s1", { asked: [again], renewed: [] });
  await world.clock.advance(50);
  expect(world.statusOf("a")).toBe("alive");
  world.state.apply(900, { type: "deregister", node: "a", left: { id: idOf("a"), atMs: world.clock.nowMs() } });
  world.keeper("s1").report("s1", renew("a"));
  await world.clock.advance(500);
  expect(world.statusOf("a")).toBe("left");
  await world.clock.advance(2_000);
  world.keeper("s1").report("s1", renew("a"));
  await world.clock.advance(50);
  expect(world.statusOf("a")).toBe("alive");
});

test("a thousand agents that are lost together are lost in few commands", async () => {
  const names = Array.from({ length: 2_500 }, (_, i) => `n${i}`);
  world.keeper("s1").report("s1", ask(...names));
  await world.clock.advance(1_500);
  expect(world.state.reader.members().value).toHaveLength(2_500);
  const before = world.commands.length;
  await world.clock.advance(10_000);
  expect(world.state.reader.members().value.every(({ Status }) => Status === "failed")).toBe(true);
  expect(world.commands.length - before).toBeLessThanOrEqual(4);
});
