import type { Command } from "../../lib/contract/commands.ts";
import type { KvOperation, KvVerb } from "../../lib/contract/kv.ts";
import { createState, type State } from "../../server/state/state.ts";
import { hashRows, type MachineKind, type RegisterMachine } from "./machine.ts";

/**
 * The real keys as registers. Writes of values are transactions beside a count that a failed one must leave alone, emptying
 * deletes, and comparing is done by index: what the client expects is turned into the index that has it.
 */
export const keys: MachineKind = {
  name: "keys",
  create: createKeys,
  write: (opId, key, value) => JSON.stringify({ opId, key, value }),
  cas: (opId, key, expected, value) => JSON.stringify({ opId, key, value, expected }),
  isApplied: (result) =>
    typeof result === "object" && result !== null && "applied" in result && result.applied === true,
};

interface Write {
  readonly opId: string;
  readonly key: string;
  readonly value: string | null;
  /** Present: only when the key holds this. */
  readonly expected?: string | null;
}

function createKeys(): RegisterMachine {
  let state: State = createState();
  const read = (key: string): string | null => {
    const record = state.reader.kvEntry(key).value;
    return record === undefined ? null : Buffer.from(record.Value, "base64").toString();
  };
  return {
    read,
    apply(index, data) {
      const write = parseWrite(data);
      const isExpected = write.expected === undefined || write.expected === read(write.key);
      const current = state.reader.kvEntry(write.key).value?.ModifyIndex ?? 0;
      // An index that no record has, for what the client is wrong about.
      return state.apply(index, commandOf(write, isExpected ? current : index));
    },
    restore(appliedIndex, rows) {
      state = createState();
      state.restore(appliedIndex, rows);
    },
    notify: () => state.notify(),
    hash: () => hashRows(state.dump()),
  };
}

function commandOf({ opId, key, value, expected }: Write, index: number): Command {
  const operation = (verb: KvVerb, name: string, bytes = ""): KvOperation => ({
    verb,
    key: name,
    value: Buffer.from(bytes).toString("base64"),
    flags: "18446744073709551615",
    index,
    session: "",
  });
  if (value === null) {
    return { type: "kv", operation: operation(expected === undefined ? "delete-tree" : "delete-cas", key) };
  }
  const written = operation(expected === undefined ? "set" : "cas", key, value);
  const noted = operation("set", `log/${key}`, opId);
  const operations = [noted, written].map((kv) => ({ type: "kv", kv }) as const);
  return { type: "txn", id: opId, operations };
}

/** The decoder of what `keys.write` and `keys.cas` encoded, and nobody else. */
function parseWrite(data: string): Write {
  const write: Write = JSON.parse(data);
  return write;
}
