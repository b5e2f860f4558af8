import type { AuthorityConfigRecord } from "../../lib/contract/authority-config.ts";
import type { AutopilotRecord } from "../../lib/contract/autopilot.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

/** Settings of the cluster itself, each a record of its own. */
export interface SettingsTable {
  readonly autopilot: Setting<AutopilotRecord>;
  readonly authority: Setting<AuthorityConfigRecord>;
}

export interface Setting<T> {
  /** Of its row. */
  readonly key: string;
  /** Undefined while nobody has set it. */
  get(): T | undefined;
  put(changes: ChangeSet, record: T): void;
  load(record: T): void;
}

export function createSettingsTable(indexes: IndexTable): SettingsTable {
  return {
    autopilot: createSetting<AutopilotRecord>(indexes, watchKeys.autopilot),
    authority: createSetting<AuthorityConfigRecord>(indexes, watchKeys.authorityConfig),
  };
}

function createSetting<T>(indexes: IndexTable, key: string): Setting<T> {
  let value: T | undefined;
  return {
    key,
    get: () => value,
    load: (record) => {
      value = record;
    },
    put(changes, record) {
      value = record;
      changes.put("settings", key, record);
      indexes.touch(changes, key);
    },
  };
}
