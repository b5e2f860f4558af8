import type { CommandResult, EventFire } from "../../lib/contract/commands.ts";
import { maxEvents, type UserEvent } from "../../lib/contract/user-events.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

/** The newest user events, oldest first. */
export interface EventTable {
  all(): readonly UserEvent[];
  add(changes: ChangeSet, event: Omit<UserEvent, "LTime">): void;
  load(event: UserEvent): void;
}

export function createEventTable(indexes: IndexTable): EventTable {
  let events: readonly UserEvent[] = [];
  return {
    all: () => events,
    load(event) {
      events = [...events, event].sort((a, b) => a.LTime - b.LTime);
    },
    add(changes, fields) {
      const event = { ...fields, LTime: (events.at(-1)?.LTime ?? 0) + 1 };
      const kept = [...events, event];
      for (const old of kept.slice(0, Math.max(0, kept.length - maxEvents))) {
        changes.remove("user-events", eventRowKey(old));
      }
      events = kept.slice(-maxEvents);
      changes.put("user-events", eventRowKey(event), event);
      indexes.touch(changes, watchKeys.userEvents);
    },
  };
}

/** One that was fired before is not fired again. */
export function fireEvent(
  tables: { readonly events: EventTable },
  changes: ChangeSet,
  { event }: EventFire,
): CommandResult {
  if (tables.events.all().some(({ ID }) => ID === event.ID)) return { ok: true, applied: false };
  tables.events.add(changes, event);
  return { ok: true, applied: true };
}

/** In the order of time as text. */
export function eventRowKey({ LTime }: UserEvent): string {
  return String(LTime).padStart(16, "0");
}
