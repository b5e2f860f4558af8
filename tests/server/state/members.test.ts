import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import type { Command } from "../../../lib/contract/commands.ts";
import type { MemberChange, MemberFields } from "../../../lib/contract/members.ts";
import { createState } from "../../../server/state/state.ts";
import { checkFields, deregisterCommand, nodeFields, registerCommand, serviceFields } from "./records.ts";
import { createStateHarness, type StateHarness } from "./state-harness.ts";

const idA = "aaaaaaaa-0000-4000-8000-000000000001";
const idB = "bbbbbbbb-0000-4000-8000-000000000002";
const liveness = checkFields("n1", "serfHealth", { Name: "Serf Health Status", Output: "as the agent says" });

function member(fields: Partial<MemberFields> = {}): MemberFields {
  return {
    Node: "n1",
    ID: idA,
    Address: "10.0.0.1",
    Port: 0,
    Role: "node",
    Build: "1",
    Class: "default",
    TtlMs: 8_000,
    ReapAfterMs: 60_000,
    ...fields,
  };
}

const members = (atMs: number, ...changes: MemberChange[]) => ({ type: "members" as const, atMs, changes });
const alive = (fields: Partial<MemberFields> = {}): MemberChange => ({ kind: "alive", member: member(fields) });
const failed = { kind: "failed", node: "n1", id: idA } as const;
const left = { kind: "left", node: "n1", id: idA } as const;
const gone = { kind: "gone", node: "n1", id: idA } as const;

function registered(ID = idA): StateHarness {
  const harness = createStateHarness();
  const node = nodeFields("n1", { ID });
  harness.accept(members(1_000, alive({ ID })));
  harness.accept(registerCommand("n1", { node, service: serviceFields("web"), checks: [liveness] }));
  return harness;
}

const healthOf = (harness: StateHarness) =>
  harness.reader.nodeChecks("n1").value.find((c) => c.CheckID === "serfHealth");

test("the liveness check follows the lease, in Consul's words, and wakes whoever watches a service there", () => {
  const harness = registered();
  expect(healthOf(harness)).toMatchObject({ Status: "passing", Output: "Agent alive and reachable" });
  let woken = 0;
  harness.state.watches.watch(harness.reader.serviceInstances("web").watch, () => woken++);
  const index = harness.accept(members(2_000, failed));
  expect(healthOf(harness)).toMatchObject({ Status: "critical", Output: "Agent not live or unreachable" });
  expect(woken).toBe(1);
  expect(harness.reader.serviceInstances("web").index).toBe(index);
  expect(harness.reader.member("n1")).toMatchObject({ Status: "failed", SinceMs: 2_000 });
  harness.accept(members(3_000, alive()));
  expect(healthOf(harness)).toMatchObject({ Status: "passing" });
  expect(harness.reader.member("n1")).toMatchObject({ Status: "alive", SinceMs: 3_000 });
});

test("nobody can write the liveness of a member; that of a node without an agent is whatever was written", () => {
  const harness = registered();
  harness.accept(members(2_000, failed));
  harness.accept(registerCommand("n1", { node: nodeFields("n1", { ID: idA }), checks: [liveness] }));
  expect(healthOf(harness)?.Status).toBe("critical");
  const outside = { ...liveness, Node: "external", Status: "warning" as const };
  harness.accept(registerCommand("external", { checks: [outside] }));
  harness.accept(
    members(3_000, { kind: "failed", node: "external", id: "" }, { kind: "gone", node: "external", id: "" }),
  );
  expect(harness.reader.nodeChecks("external").value).toMatchObject([{ Status: "warning" }]);
});

test("a lease that is granted again as it is changes nothing", () => {
  const harness = registered();
  const before = JSON.stringify([...harness.state.dump()]);
  harness.accept(members(9_000, alive()));
  expect(JSON.stringify([...harness.state.dump()])).toBe(before);
});

test("a name is taken over when its lease is lost, and not before", () => {
  const harness = registered();
  const other = registerCommand("n1", { node: nodeFields("n1", { ID: idB, Address: "10.0.0.2" }), checks: [liveness] });
  harness.accept(members(2_000, alive({ ID: idB })));
  expect(harness.reader.member("n1")?.ID).toBe(idA);
  expect(harness.apply(other)).toMatchObject({ ok: false, code: "CONFLICT" });
  harness.accept(members(3_000, failed));
  harness.accept(members(3_100, alive({ ID: idB })));
  harness.accept(other);
  expect(harness.reader.node("n1").value).toMatchObject({ ID: idB, Address: "10.0.0.2" });
  expect(healthOf(harness)?.Status).toBe("passing");
  // What was decided about the old one comes too late.
  harness.accept(members(4_000, failed, gone));
  expect(harness.reader.member("n1")).toMatchObject({ ID: idB, Status: "alive" });
  expect(healthOf(harness)?.Status).toBe("passing");
});

test("a member is reaped with its node, but neither while it is alive nor when the node is another's by now", () => {
  const harness = registered();
  harness.accept(members(2_000, gone));
  expect(harness.reader.node("n1").value).toBeDefined();
  harness.accept(members(3_000, failed));
  harness.accept(members(4_000, gone));
  expect(harness.reader.node("n1").value).toBeUndefined();
  expect(harness.reader.serviceInstances("web").value).toEqual([]);
  expect(harness.reader.members().value).toEqual([]);

  const taken = registered();
  taken.accept(members(3_000, failed));
  taken.accept(registerCommand("n1", { node: nodeFields("n1", { ID: idB }), checks: [liveness] }));
  taken.accept(members(4_000, gone));
  expect(taken.reader.node("n1").value?.ID).toBe(idB);
  expect(taken.reader.members().value).toEqual([]);
});

test("who leaves is listed as one that left, and its node goes; another agent's good-bye takes nobody's node away", () => {
  const harness = registered();
  harness.accept({ type: "deregister", node: "n1", left: { id: idB, atMs: 5_000 } });
  expect(harness.reader.node("n1").value).toBeDefined();
  harness.accept({ type: "deregister", node: "n1", left: { id: idA, atMs: 5_000 } });
  expect(harness.reader.node("n1").value).toBeUndefined();
  expect(harness.reader.member("n1")).toMatchObject({ Status: "left", SinceMs: 5_000 });
  // It comes back by its lease.
  harness.accept(registerCommand("n1", { node: nodeFields("n1", { ID: idA }), checks: [liveness] }));
  expect(healthOf(harness)?.Status).toBe("critical");
  harness.accept(members(6_000, alive()));
  expect(healthOf(harness)?.Status).toBe("passing");
});

test("an operator's word takes a node out at once", () => {
  const harness = registered();
  harness.accept(members(2_000, left));
  expect(harness.reader.node("n1").value).toBeUndefined();
  expect(harness.reader.member("n1")).toMatchObject({ Status: "left" });
  harness.accept(members(3_000, gone));
  expect(harness.reader.members().value).toEqual([]);
});

test("a node that is renamed is one member, under its new name", () => {
  const harness = registered();
  harness.accept(members(2_000, alive({ Node: "n2" })));
  expect(harness.reader.members().value.map(({ Node }) => Node)).toEqual(["n2"]);
  expect(harness.reader.memberById(idA)?.Node).toBe("n2");
});

test("what was removed by force is not brought back by a repair, but by whoever registers it", () => {
  const harness = registered();
  const check = checkFields("n1", "disk");
  harness.accept(registerCommand("n1", { node: nodeFields("n1", { ID: idA }), checks: [check] }));
  harness.accept({ ...deregisterCommand("n1", { serviceId: "web" }), isForced: true });
  harness.accept({ ...deregisterCommand("n1", { checkId: "disk" }), isForced: true });
  expect(harness.reader.withdrawals("n1")).toHaveLength(2);
  const again = registerCommand("n1", {
    node: nodeFields("n1", { ID: idA }),
    service: serviceFields("web"),
    checks: [check],
  });
  expect(harness.apply({ ...again, isRepair: true })).toEqual({
    ok: false,
    code: "CONFLICT",
    message: 'service "web" of node "n1" was deregistered by force: register it anew at its agent',
  });
  harness.accept(again);
  expect(harness.reader.withdrawals("n1")).toEqual([]);
  harness.accept({ ...again, isRepair: true });
});

test("where no agent is, a forced removal has nothing to remember", () => {
  const harness = createStateHarness();
  harness.accept(registerCommand("external", { service: serviceFields("web") }));
  harness.accept({ ...deregisterCommand("external", { serviceId: "web" }), isForced: true });
  expect(harness.reader.withdrawals("external")).toEqual([]);
});

test("a whole node removed by force leaves nothing that a repair brings back, and is forgotten when it is reaped", () => {
  const harness = registered();
  harness.accept({ ...deregisterCommand("n1"), isForced: true });
  expect(harness.reader.withdrawals("n1")).toEqual([{ Node: "n1", Kind: "service", ID: "web" }]);
  harness.accept(members(2_000, failed));
  harness.accept(members(3_000, gone));
  expect(harness.reader.withdrawals("n1")).toEqual([]);
});

const seeds = process.env["ATOLL_TEST_SEED"] === undefined ? [1, 2, 3, 4] : [Number(process.env["ATOLL_TEST_SEED"])];
for (const seed of seeds) {
  test(`any history of leases, registrations and removals keeps the check in line with the lease and survives a restart (seed ${seed})`, () => {
    const random = createSeededRandom(seed);
    const pick = <T>(...items: readonly T[]): T => {
      const item = items[Math.floor(random.float() * items.length)];
      if (item === undefined) throw new Error("nothing to pick from");
      return item;
    };
    const harness = createStateHarness();
    let lastIndex = 0;
    for (let step = 0; step < 400; step++) {
      const [node, id] = [pick("n1", "n2"), pick(idA, idB)];
      const record = nodeFields(node, { ID: id });
      harness.apply(
        pick<() => Command>(
          () => members(step, alive({ Node: node, ID: id, Build: pick("1", "2") })),
          () => members(step, pick<MemberChange>({ kind: "failed", node, id }, { kind: "left", node, id })),
          () => members(step, { kind: "gone", node, id }),
          () =>
            registerCommand(node, {
              node: record,
              service: serviceFields("web"),
              checks: [{ ...liveness, Node: node, Status: pick("passing", "critical") }],
              ...(random.float() < 0.5 && { isRepair: true }),
            }),
          () => ({ ...deregisterCommand(node, { serviceId: "web" }), isForced: random.float() < 0.5 }),
          () => ({ type: "deregister" as const, node, left: { id, atMs: step } }),
        )(),
      );
      const where = `seed ${seed}, step ${step}`;
      for (const one of harness.reader.members().value) {
        if (harness.reader.node(one.Node).value?.ID !== one.ID) continue;
        const check = harness.reader.nodeChecks(one.Node).value.find(({ CheckID }) => CheckID === "serfHealth");
        // An agent writes it with its node; until then there is none.
        if (check === undefined) continue;
        expect({ where, status: check.Status }).toEqual({
          where,
          status: one.Status === "alive" ? "passing" : "critical",
        });
      }
      const { index } = harness.reader.members();
      if (index < lastIndex) throw new Error(`${where}: the index of the members fell`);
      lastIndex = index;
    }
    const restored = createState();
    restored.restore(harness.reader.appliedIndex(), harness.storedRows());
    expect([...restored.dump()]).toEqual([...harness.state.dump()]);
    expect(restored.reader.members()).toEqual(harness.reader.members());
  });
}

test("a lost lease ends the sessions that rest on the node's liveness, with the same command", () => {
  const harness = registered();
  const session = {
    ID: "cccccccc-0000-4000-8000-000000000003",
    Name: "lock",
    Node: "n1",
    lockDelayMs: 0,
    Behavior: "release",
    TTL: "",
    ttlMs: 0,
    NodeChecks: ["serfHealth"],
    ServiceChecks: [],
  } as const;
  harness.accept({ type: "session-create", session });
  expect(harness.reader.sessions().value).toHaveLength(1);
  harness.accept(members(2_000, failed));
  expect(harness.reader.sessions().value).toEqual([]);
});
