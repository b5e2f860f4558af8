import type { PreparedQueryRecord } from "../../lib/contract/prepared-queries.ts";
import type { UserEvent } from "../../lib/contract/user-events.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

type QueryReads = Pick<StateReader, "preparedQueries" | "preparedQuery" | "preparedQueryFor" | "userEvents">;

/** The reads of prepared queries and user events. */
export function createQueryReads(tables: Tables, cache: ReadCache): QueryReads {
  const all = createReadSlot<readonly PreparedQueryRecord[]>();
  const one = createReadSlot<PreparedQueryRecord | undefined>();
  const answering = createReadSlot<PreparedQueryRecord | undefined>();
  const events = createReadSlot<readonly UserEvent[]>();
  const watch = [watchKeys.preparedQueries];
  return {
    preparedQueries: () =>
      cache.read(all, "", watch, () => [...tables.queries.all()].sort((a, b) => compareText(a.ID, b.ID))),
    preparedQuery: (id) => cache.read(one, id, watch, () => tables.queries.get(id)),
    preparedQueryFor: (idOrName) =>
      cache.read(
        answering,
        idOrName,
        watch,
        () => tables.queries.get(idOrName) ?? tables.queries.named(idOrName) ?? tables.queries.templateFor(idOrName),
      ),
    userEvents: () => cache.read(events, "", [watchKeys.userEvents], () => tables.events.all()),
  };
}
