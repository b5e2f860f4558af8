import type { Command } from "../../../lib/contract/commands.ts";
import type { StateMachine } from "../../log/replicated-log.ts";
import { createRowDigest, type RowDigest } from "../../log/row-digest.ts";
import { createNewestRows } from "../replica/newest-rows.ts";
import type { Machine } from "../replica/replica-api.ts";
import { sealRow } from "./row-seal.ts";

/** The name goes with the way of counting: hashes of different ways are not compared. */
const hashName = "rows2";
/** Not counted: earlier versions wrote rows for indexes that the records carry, and members may differ in which they have. */
const uncountedTable = "indexes";

/**
 * The catalog as the replica drives it: commands as text, and a hash over its records. Between two hashes it only notes which
 * rows changed: a row that every write touches is turned into text once for a hash and once for a batch, not for a write.
 */
export function createMachine(state: StateMachine): Machine {
  let digest: RowDigest = createRowDigest();
  let changed = createNewestRows();
  const catchUp = (): void => {
    for (const row of changed) {
      if (row.value === undefined) digest.remove(row.table, row.key);
      else digest.put(row.table, row.key, sealRow(row).checksum);
    }
    changed = createNewestRows();
  };
  return {
    apply(index, data) {
      const { result, rows } = state.apply(index, parseCommand(data));
      for (const row of rows) if (row.table !== uncountedTable) changed.note(row);
      return { result, rows };
    },
    restore(appliedIndex, rows) {
      digest = createRowDigest();
      changed = createNewestRows();
      const counted = digest;
      state.restore(
        appliedIndex,
        (function* () {
          for (const row of rows) {
            if (row.table !== uncountedTable) counted.put(row.table, row.key, sealRow(row).checksum);
            yield row;
          }
        })(),
      );
    },
    notify: () => state.notify(),
    hash() {
      catchUp();
      return `${hashName}:${digest.count()}-${digest.value().toString(16)}`;
    },
  };
}

/** The decoder of commands: its text was made from a command by a server of this cluster, and came through the log. */
function parseCommand(data: string): Command {
  const value: unknown = JSON.parse(data);
  if (typeof value === "object" && value !== null && "type" in value && typeof value.type === "string") {
    return value as Command;
  }
  throw new Error("an entry of the log holds no command");
}
