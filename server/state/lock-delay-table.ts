import type { LockDelay } from "../../lib/contract/sessions.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { kvRowKey } from "./kv-row-key.ts";
import { watchKeys } from "./watch-keys.ts";

/** The keys that nobody may lock for a while. When a while is over is for the leader's clock to say; it then removes them. */
export interface LockDelayTable {
  get(key: string): LockDelay | undefined;
  all(): Iterable<LockDelay>;
  put(changes: ChangeSet, delay: LockDelay): void;
  remove(changes: ChangeSet, delay: LockDelay): void;
  load(delay: LockDelay): void;
}

export function createLockDelayTable(indexes: IndexTable): LockDelayTable {
  const byKey = new Map<string, LockDelay>();
  const load = (delay: LockDelay): void => void byKey.set(delay.key, delay);
  return {
    get: (key) => byKey.get(key),
    all: () => byKey.values(),
    load,
    put(changes, delay) {
      const previous = byKey.get(delay.key);
      load(delay);
      changes.onUndo?.(() => {
        if (previous === undefined) byKey.delete(delay.key);
        else load(previous);
      });
      changes.put("lock-delays", kvRowKey(delay.key), delay);
      indexes.touch(changes, watchKeys.lockDelays);
    },
    remove(changes, delay) {
      byKey.delete(delay.key);
      changes.onUndo?.(() => load(delay));
      changes.remove("lock-delays", kvRowKey(delay.key));
      indexes.touch(changes, watchKeys.lockDelays);
    },
  };
}
