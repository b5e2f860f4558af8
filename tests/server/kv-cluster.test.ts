import { expect, test } from "bun:test";
import { eventually } from "../fakes/eventually.ts";
import { type ClusterMember, startCluster } from "./cluster-harness.ts";
import { kvCommand, sessionCreate, transaction, kvOperation } from "./state/kv-records.ts";
import { registerCommand } from "./state/records.ts";

/** Keys and locks on real servers, whose leader goes. */
test("keys, sessions and lock-delays outlive their leader", async () => {
  await using cluster = await startCluster(3);
  const first = await cluster.leader();
  const { log, reader, locks } = first.server();
  await log.propose(registerCommand("n"));
  for (const id of ["a", "b"]) await log.propose(sessionCreate(id, "n", { TTL: "10s", ttlMs: 10_000 }));
  await log.propose(kvCommand("lock", "k", { session: "a", value: "YQ==" }));
  await log.propose(kvCommand("lock", "kept", { session: "b" }));
  const { result } = await log.propose(transaction(kvOperation("set", "t"), kvOperation("check-not-exists", "k")));
  expect(result).toMatchObject({ applied: false, errors: [{ operation: 1 }] });
  expect(await locks.renewSession("a")).toMatchObject({ ID: "a" });
  await log.propose({ type: "session-destroy", ids: ["a"] });
  const entries = reader.kvEntries("").value;
  await first.stop();
  const second = (await cluster.leader()).server();
  expect(await second.locks.renewSession("a")).toBeUndefined();
  expect(await second.locks.renewSession("b")).toMatchObject({ ID: "b", TTL: "10s" });
  expect(await second.locks.isDelayed("k")).toBe(true);
  expect(await second.locks.isDelayed("kept")).toBe(false);
  expect(second.reader.kvEntries("").value).toEqual(entries);
  await first.start();
  await eventually("the first to catch up", () => show(first) === JSON.stringify(entries));
  await expect(first.server().locks.isDelayed("k")).rejects.toMatchObject({ code: "NO_LEADER" });
}, 30_000);

function show(member: ClusterMember): string {
  return JSON.stringify(member.server().reader.kvEntries("").value);
}
