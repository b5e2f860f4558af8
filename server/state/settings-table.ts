import type { AutopilotRecord } from "../../lib/contract/autopilot.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

/** Settings of the cluster itself, each a record of its own. */
export interface SettingsTable {
  autopilot(): AutopilotRecord | undefined;
  putAutopilot(changes: ChangeSet, record: AutopilotRecord): void;
  loadAutopilot(record: AutopilotRecord): void;
}

export const autopilotKey = "autopilot";

export function createSettingsTable(indexes: IndexTable): SettingsTable {
  let autopilot: AutopilotRecord | undefined;
  return {
    autopilot: () => autopilot,
    loadAutopilot: (record) => {
      autopilot = record;
    },
    putAutopilot(changes, record) {
      autopilot = record;
      changes.put("settings", autopilotKey, record);
      indexes.touch(changes, watchKeys.autopilot);
    },
  };
}
