import type { Machine, Row } from "../../server/raft/replica/replica-api.ts";
import { hashText } from "./random.ts";

/** A machine that the simulator's clients can talk to: registers by key, `null` while empty. */
export interface RegisterMachine extends Machine {
  read(key: string): string | null;
}

/** How clients phrase their writes for a kind of machine. Every command carries its `opId`, by which effects are counted. */
export interface MachineKind {
  readonly name: "registers" | "catalog" | "keys";
  create(): RegisterMachine;
  write(opId: string, key: string, value: string | null): string;
  /** Absent where the machine knows no compare-and-set. */
  readonly cas?: (opId: string, key: string, expected: string | null, value: string) => string;
  /** Whether a write that was applied changed anything, from its result. */
  isApplied(result: unknown): boolean;
}

interface RegisterCommand {
  readonly opId: string;
  readonly key: string;
  readonly value: string | null;
  /** Present: only when the register holds this. */
  readonly expected?: string | null;
}

/** The smallest machine worth replicating: a value per key with compare-and-set. */
export const registers: MachineKind = {
  name: "registers",
  create: createRegisters,
  write: (opId, key, value) => JSON.stringify({ opId, key, value }),
  cas: (opId, key, expected, value) => JSON.stringify({ opId, key, expected, value }),
  isApplied: (result) => result === true,
};

function createRegisters(): RegisterMachine {
  const values = new Map<string, string>();
  let digest = 0;

  const set = (key: string, value: string | null): void => {
    const before = values.get(key);
    if (before !== undefined) digest ^= hashText(`${key}=${before}`);
    if (value === null) values.delete(key);
    else {
      values.set(key, value);
      digest ^= hashText(`${key}=${value}`);
    }
  };

  return {
    read: (key) => values.get(key) ?? null,
    apply(_index, data) {
      const command = parseCommand(data);
      const isApplied = command.expected === undefined || (values.get(command.key) ?? null) === command.expected;
      if (!isApplied) return { result: false, rows: [] };
      set(command.key, command.value);
      const row = { table: "registers", key: command.key };
      return { result: true, rows: [command.value === null ? row : { ...row, value: command.value }] };
    },
    restore(_appliedIndex, rows) {
      values.clear();
      digest = 0;
      for (const row of rows) if (row.table === "registers") set(row.key, String(row.value));
    },
    notify() {},
    hash: () => `${values.size}:${digest >>> 0}`,
  };
}

/** The commands of this file only: a foreign one is a bug of the simulator. */
function parseCommand(data: string): RegisterCommand {
  const value: unknown = JSON.parse(data);
  if (typeof value !== "object" || value === null || !("opId" in value) || !("key" in value)) {
    throw new TypeError(`no command of a register machine: ${data}`);
  }
  const { opId, key } = value;
  const written = "value" in value ? value.value : null;
  const base = { opId: String(opId), key: String(key), value: written === null ? null : String(written) };
  if (!("expected" in value)) return base;
  return { ...base, expected: value.expected === null ? null : String(value.expected) };
}

/** The `opId` of any command of the simulator's clients. */
export function opIdOf(data: string): string {
  const value: unknown = JSON.parse(data);
  return typeof value === "object" && value !== null && "opId" in value ? String(value.opId) : "";
}

/** Rows in an order that does not depend on how they came about. */
export function hashRows(rows: Iterable<Row>): string {
  let count = 0;
  let digest = 0;
  for (const row of rows) {
    count += 1;
    digest ^= hashText(`${row.table}/${row.key}=${JSON.stringify(row.value)}`);
  }
  return `${count}:${digest >>> 0}`;
}
