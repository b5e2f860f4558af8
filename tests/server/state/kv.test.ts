import { expect, test } from "bun:test";
import type { Command } from "../../../lib/contract/commands.ts";
import { kvCommand, kvOperation, sessionCreate, transaction } from "./kv-records.ts";
import { checkFields, deregisterCommand, nodeFields, registerCommand, serviceFields } from "./records.ts";
import { createStateHarness, type StateHarness } from "./state-harness.ts";

function withSession(behavior: "release" | "delete" = "release"): StateHarness {
  const harness = createStateHarness();
  harness.accept(registerCommand("n", { checks: [checkFields("n", "up")] }));
  harness.accept(sessionCreate("s", "n", { NodeChecks: ["up"], Behavior: behavior }));
  harness.accept(kvCommand("lock", "k", { value: "YQ==", session: "s" }));
  return harness;
}

test("a list is not taken from before a deletion when the tombstone was forgotten unseen", () => {
  const harness = createStateHarness();
  harness.accept(kvCommand("set", "p/a"));
  harness.accept(kvCommand("set", "p/b"));
  expect(harness.reader.kvKeys("p/", "").value).toEqual(["p/a", "p/b"]);
  const index = harness.accept(kvCommand("delete", "p/a"));
  harness.accept({ type: "kv-reap", index });
  expect(harness.reader.kvKeys("p/", "").value).toEqual(["p/b"]);
});

test("a list is the same object until something below its prefix changes", () => {
  const harness = createStateHarness();
  harness.accept(kvCommand("set", "p/a"));
  const before = harness.reader.kvEntries("p/");
  harness.accept(kvCommand("set", "q"));
  harness.accept(kvCommand("set", "p"));
  expect(harness.reader.kvEntries("p/")).toBe(before);
  harness.accept(kvCommand("set", "p/b"));
  expect(harness.reader.kvEntries("p/").value).not.toBe(before.value);
});

test("writing the same again moves nothing, and a lock that is held already is acquired again", () => {
  const harness = withSession();
  const { index } = harness.reader.kvEntry("k");
  harness.accept(kvCommand("lock", "k", { value: "YQ==", session: "s" }));
  expect(harness.reader.kvEntry("k")).toMatchObject({ index, value: { LockIndex: 1, Session: "s" } });
  harness.accept(kvCommand("set", "k", { value: "Yg==" }));
  expect(harness.reader.kvEntry("k").value).toMatchObject({ Value: "Yg==", LockIndex: 1, Session: "s" });
});

const endings: readonly (readonly [string, Command])[] = [
  ["its check becomes critical", registerCommand("n", { checks: [checkFields("n", "up", { Status: "critical" })] })],
  ["its check goes", deregisterCommand("n", { checkId: "up" })],
  ["its node goes", deregisterCommand("n")],
  ["it is destroyed", { type: "session-destroy", ids: ["s"] }],
  [
    "a transaction makes its check critical",
    transaction({
      type: "check",
      verb: "set",
      node: "n",
      id: "up",
      index: 0,
      fields: checkFields("n", "up", { Status: "critical" }),
    }),
  ],
];

for (const [what, command] of endings) {
  test(`a session ends with the very command by which ${what}: its key is free and delayed`, () => {
    const harness = withSession();
    const index = harness.accept(command);
    expect(harness.reader.session("s").value).toBeUndefined();
    expect(harness.reader.kvEntry("k")).toMatchObject({ index, value: { Session: "", Value: "YQ==", LockIndex: 1 } });
    expect(harness.reader.lockDelay("k")).toEqual({ key: "k", delayMs: 15_000, index });
  });
}

test("what a session with the behavior delete holds goes with it", () => {
  const harness = withSession("delete");
  harness.accept({ type: "session-destroy", ids: ["s"] });
  expect(harness.reader.kvEntry("k").value).toBeUndefined();
});

test("a session needs its node and its checks, and those not critical", () => {
  const harness = createStateHarness();
  expect(harness.apply(sessionCreate("s", "n"))).toMatchObject({ message: "Missing node registration" });
  harness.accept(registerCommand("n", { checks: [checkFields("n", "up", { Status: "critical" })] }));
  expect(harness.apply(sessionCreate("s", "n", { NodeChecks: ["x"] }))).toMatchObject({
    message: "Missing check 'x' registration",
  });
  expect(harness.apply(sessionCreate("s", "n", { ServiceChecks: ["up"] }))).toMatchObject({
    message: "Check 'up' is in critical state",
  });
  harness.accept(sessionCreate("s", "n"));
});

test("operations of a transaction see those before them, and each error is told", () => {
  const harness = createStateHarness();
  harness.accept(transaction(kvOperation("set", "a", { value: "YQ==" }), kvOperation("get", "a")));
  expect(harness.reader.takeTransaction("t")).toMatchObject({
    errors: [],
    results: [
      { hasValue: false, record: { Key: "a" } },
      { hasValue: true, record: { Value: "YQ==" } },
    ],
  });
  const failed = harness.apply(
    transaction(
      kvOperation("set", "b"),
      kvOperation("check-not-exists", "a"),
      kvOperation("cas", "a", { index: 1 }),
      kvOperation("lock", "a", { session: "nobody" }),
      kvOperation("unlock", "a", { session: "nobody" }),
      kvOperation("delete-cas", "a", { index: 1 }),
      kvOperation("check-index", "zz"),
      kvOperation("check-session", "a", { session: "x" }),
      kvOperation("get", "zz"),
    ),
  );
  expect(failed).toEqual({
    ok: true,
    applied: false,
    errors: [
      { operation: 1, message: 'key "a" exists' },
      { operation: 2, message: 'failed to set key "a", index is stale' },
      { operation: 3, message: 'invalid session "nobody"' },
      { operation: 4, message: `failed to unlock key "a", lock isn't held, or is held by another session` },
      { operation: 5, message: 'failed to delete key "a", index is stale' },
      { operation: 6, message: `failed to check index, key "zz" doesn't exist` },
      { operation: 7, message: 'failed session check for key "a", current session "" != "x"' },
      { operation: 8, message: `key "zz" doesn't exist` },
    ],
  });
  expect(harness.reader.kvEntry("b").value).toBeUndefined();
});

test("a failed transaction puts nodes, services, checks, sessions and indexes back", () => {
  const harness = withSession();
  harness.accept(
    registerCommand("n", { service: serviceFields("web"), checks: [checkFields("n", "c", { ServiceID: "web" })] }),
  );
  const before = JSON.stringify([...harness.state.dump()]);
  const reads = (): unknown[] => [
    harness.reader.serviceInstances("web"),
    harness.reader.connectInstances("db"),
    harness.reader.nodes(),
    harness.reader.checksInState("any"),
    harness.reader.sessions(),
    harness.reader.services(),
  ];
  const seen = structuredClone(reads());
  const node = { type: "node", name: "n", id: "", index: 0 } as const;
  const service = { type: "service", node: "n", index: 0 } as const;
  const result = harness.apply(
    transaction(
      {
        ...node,
        verb: "set",
        fields: nodeFields("n", { Address: "10.9.9.9", ID: "11111111-1111-4111-8111-111111111111" }),
      },
      { ...node, name: "m", verb: "cas", fields: nodeFields("m") },
      { ...service, verb: "set", id: "db", fields: serviceFields("db", { Connect: { Native: true } }) },
      { ...service, verb: "delete", id: "web" },
      { ...node, verb: "delete" },
      kvOperation("delete-tree", ""),
      { ...node, verb: "get" },
    ),
  );
  expect(result).toMatchObject({ applied: false, errors: [{ operation: 6, message: 'node "n" doesn\'t exist' }] });
  expect(JSON.stringify([...harness.state.dump()])).toBe(before);
  expect(reads()).toEqual(seen);
});

test("compare-and-set of nodes, services and checks goes by their ModifyIndex, 0 for none", () => {
  const harness = createStateHarness();
  const node = {
    type: "node",
    verb: "cas",
    name: "n",
    id: "",
    fields: nodeFields("n", { Address: "10.0.0.2" }),
  } as const;
  const index = harness.accept(transaction({ ...node, index: 0 }));
  expect(harness.apply(transaction({ ...node, index: 0 }))).toMatchObject({
    errors: [{ message: 'failed to set node "n", index is stale' }],
  });
  expect(harness.apply(transaction({ ...node, verb: "delete-cas", index: 1 }))).toMatchObject({
    errors: [{ message: 'failed to delete node "n", index is stale' }],
  });
  harness.accept(transaction({ ...node, verb: "delete-cas", index }));
  const lost = { type: "service", verb: "set", node: "n", id: "s", index: 0, fields: serviceFields("s") } as const;
  expect(harness.apply(transaction(lost))).toMatchObject({ errors: [{ message: "Missing node registration" }] });
});

test("the commit of a key wakes the watchers of its prefixes and of no other", () => {
  const harness = createStateHarness();
  const woken: string[] = [];
  for (const prefix of ["", "a", "a/", "a/b", "a/bc", "b"]) {
    harness.state.watches.watch(harness.reader.kvEntries(prefix).watch, () => woken.push(prefix));
  }
  const gone = harness.state.watches.watch(harness.reader.kvEntries("a").watch, () => woken.push("gone"));
  gone.cancel();
  harness.accept(kvCommand("set", "a/b"));
  expect(woken).toEqual(["", "a", "a/", "a/b"]);
});

test("a restored snapshot brings keys, sessions and locks back, and no index below one that was seen", () => {
  const saved = withSession();
  saved.accept(kvCommand("set", "p/a", { value: "YQ==", flags: "18446744073709551615" }));
  saved.accept(kvCommand("set", "p/\u0001%", { expiry: { ttl: "5s", atMs: 5_000 } }));
  saved.accept(kvCommand("delete", "p/a"));
  const rows = [...saved.state.dump()];
  const harness = createStateHarness();
  for (let i = 0; i < 40; i++) harness.accept(kvCommand("set", `p/${i % 3}`, { value: btoa(String(i)) }));
  const seen = harness.reader.kvEntries("p/").index;
  const woken: string[] = [];
  for (const read of [harness.reader.kvEntry("p/0"), harness.reader.kvEntries("x/"), harness.reader.sessions()]) {
    harness.state.watches.watch(read.watch, () => woken.push(String(read.watch)));
  }
  harness.accept({ type: "restore-rows", restoreId: "r", piece: 0, rows });
  harness.accept({ type: "restore-commit", restoreId: "r", pieceCount: 1, highestIndex: 99, keepsAuthority: true });
  expect(woken).toEqual(["kv/p/0", "kv-under/x/", "sessions"]);
  expect(harness.reader.kvEntries("").value).toEqual(saved.reader.kvEntries("").value);
  expect(harness.reader.sessions().value).toEqual(saved.reader.sessions().value);
  expect(harness.reader.endedKvEntries(5_000, 9).map(({ Key }) => Key)).toEqual(["p/\u0001%"]);
  const reads = [
    harness.reader.kvEntries("p/"),
    harness.reader.kvEntries("none/"),
    harness.reader.kvEntry("k"),
    harness.reader.kvEntry("p/0"),
  ];
  for (const { index } of reads) expect(index).toBeGreaterThan(Math.max(seen, 99));
  const stored = createStateHarness();
  stored.state.restore(harness.reader.appliedIndex(), harness.storedRows());
  expect([...stored.state.dump()]).toEqual([...harness.state.dump()]);
  expect(harness.accept(kvCommand("unlock", "k", { session: "s" }))).toBeGreaterThan(0);
  expect(harness.reader.kvEntry("k").index).toBeGreaterThan(reads[2]?.index ?? 0);
});
