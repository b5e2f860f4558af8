import type { Random } from "../../../lib/base/random.ts";
import { checkStatuses } from "../../../lib/contract/catalog.ts";
import type { Command } from "../../../lib/contract/commands.ts";
import { type KvOperation, type KvVerb, kvReadVerbs, kvWriteVerbs } from "../../../lib/contract/kv.ts";
import type { TransactionOperation } from "../../../lib/contract/transactions.ts";
import { kvOperation, sessionCreate } from "./kv-records.ts";
import type { NaiveKv } from "./naive-kv.ts";
import { checkFields, deregisterCommand, registerCommand } from "./records.ts";

/** Few keys, with prefixes of each other among them, so that commands meet again and again. */
export const randomKeys = ["a", "a/", "a/b", "a/b/c", "a/b/d", "a/bc", "b", "b/x", "b/\u0001é%"];
export const randomPrefixes = ["", "a", "a/", "a/b", "a/b/", "b/", "c"];
export const randomSessions = ["s1", "s2", "s3", "s4"];
const nodes = ["n1", "n2"];
const checks = ["c1", "c2"];

/** Commands of every kind that keys and sessions have; `state` makes some of the compared indexes right. */
export function randomKvCommand(random: Random, state: NaiveKv, index: number): Command {
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random.float() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const operation = (verbs: readonly KvVerb[]): KvOperation => {
    const verb = pick(verbs);
    const key = verb === "delete-tree" || verb === "get-tree" ? pick(randomPrefixes) : pick(randomKeys);
    const isRight = random.float() < 0.7;
    return kvOperation(verb, key, {
      value: pick(["", "YQ==", "Yg=="]),
      flags: pick(["0", "18446744073709551615"]),
      index: isRight ? (state.entries.get(key)?.ModifyIndex ?? 0) : Math.floor(random.float() * index),
      session: isRight ? (state.entries.get(key)?.Session ?? pick(randomSessions)) : pick(["", ...randomSessions]),
      ...(random.float() < 0.2 ? { expiry: { ttl: "5s", atMs: 1_000 * Math.floor(random.float() * 9) } } : {}),
    });
  };
  const check = (): ReturnType<typeof checkFields> =>
    checkFields(pick(nodes), pick(checks), { Status: pick(checkStatuses) });
  const inTransaction = (): TransactionOperation => {
    if (random.float() < 0.85) return { type: "kv", kv: operation(pick([kvWriteVerbs, kvReadVerbs])) };
    const fields = check();
    return { type: "check", verb: "set", node: fields.Node, id: fields.CheckID, index: 0, fields };
  };
  const roll = random.float();
  if (roll < 0.45) return { type: "kv", operation: operation(kvWriteVerbs) };
  if (roll < 0.6) {
    const count = 1 + Math.floor(random.float() * 4);
    return { type: "txn", id: String(index), operations: Array.from({ length: count }, inTransaction) };
  }
  if (roll < 0.72) {
    return sessionCreate(pick(randomSessions), pick(nodes), {
      Behavior: pick(["release", "delete"]),
      lockDelayMs: pick([0, 15_000]),
      NodeChecks: pick([[], ["c1"], ["c1", "c2"]]),
    });
  }
  if (roll < 0.76) return { type: "session-destroy", ids: [pick(randomSessions), pick(randomSessions)] };
  if (roll < 0.86) {
    const fields = check();
    return registerCommand(fields.Node, { checks: [fields] });
  }
  if (roll < 0.89) return deregisterCommand(pick(nodes), random.float() < 0.7 ? { checkId: pick(checks) } : {});
  if (roll < 0.93) {
    const entries = [...state.entries.values()].filter(({ Expiry }) => (Expiry?.atMs ?? 9_000) < 5_000);
    const named = entries.map(({ Key, ModifyIndex }) => ({ key: Key, modifyIndex: ModifyIndex }));
    return { type: "kv-expire", entries: [...named, { key: pick(randomKeys), modifyIndex: 1 }] };
  }
  if (roll < 0.97) {
    const delays = [...state.delays].slice(0, 2).map(([key, begun]) => ({ key, index: begun }));
    return { type: "lock-delays-end", delays: [...delays, { key: pick(randomKeys), index: 1 }] };
  }
  return { type: "kv-reap", index: Math.floor(index * (0.5 + random.float() / 2)) };
}
