import type { Machine, Row } from "../../../../server/raft/replica/replica-api.ts";

/** Keys and values; a command is `key=value`, its result counts how often a command was applied to the key. */
export interface TestMachine extends Machine {
  get(key: string): string | undefined;
  /** Every command in the order of applying, since the start or the last restore. */
  readonly applied: readonly string[];
  readonly notifications: () => number;
  /** Makes this member's state differ from the others'. */
  corrupt(): void;
}

export function createTestMachine(): TestMachine {
  let values = new Map<string, { value: string; count: number }>();
  const applied: string[] = [];
  let notifications = 0;
  let salt = "";
  return {
    applied,
    notifications: () => notifications,
    get: (key) => values.get(key)?.value,
    corrupt: () => {
      salt = "corrupt";
    },
    apply(index, data) {
      applied.push(data);
      const [key = "", value = ""] = data.split("=");
      const count = (values.get(key)?.count ?? 0) + 1;
      values.set(key, { value, count });
      return { result: { count, index }, rows: [{ table: "kv", key, value: { value, count } }] };
    },
    restore(_appliedIndex, rows: Iterable<Row>) {
      values = new Map();
      applied.length = 0;
      for (const { table, key, value } of rows) if (table === "kv") values.set(key, decode(value));
    },
    notify() {
      notifications++;
    },
    hash: () => `v1:${salt}${JSON.stringify([...values].toSorted(([a], [b]) => (a < b ? -1 : 1)))}`,
  };
}

function decode(value: unknown): { value: string; count: number } {
  if (typeof value !== "object" || value === null || !("value" in value) || !("count" in value)) {
    throw new Error(`not a row of the test machine: ${JSON.stringify(value)}`);
  }
  return { value: String(value.value), count: Number(value.count) };
}
