import type { KvRecord } from "../../lib/contract/kv.ts";
import type { SessionRecord } from "../../lib/contract/sessions.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { Read, StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { readTransaction } from "./transaction-rules.ts";
import { watchKeys } from "./watch-keys.ts";

type KvReads = Pick<
  StateReader,
  | "kvEntry"
  | "kvEntries"
  | "kvKeys"
  | "endedKvEntries"
  | "newestTombstone"
  | "session"
  | "sessions"
  | "nodeSessions"
  | "lockDelays"
  | "lockDelay"
  | "readTransaction"
>;

/** Lists remembered; past it they are all forgotten. */
const maxLists = 512;

/** The reads of keys, sessions and locks. */
export function createKvReads(tables: Tables, cache: ReadCache): KvReads {
  const entries = createListCache<readonly KvRecord[]>(tables);
  const keys = createListCache<readonly string[]>(tables);
  const session = createReadSlot<SessionRecord | undefined>();
  const sessions = createReadSlot<readonly SessionRecord[]>();
  const onNode = createReadSlot<readonly SessionRecord[]>();

  return {
    kvEntry: (key) => ({ index: tables.kv.indexOf(key), value: tables.kv.get(key), watch: [watchKeys.kv(key)] }),
    kvEntries: (prefix, seenIndex = 0) =>
      entries.read({ name: prefix, prefix, seenIndex }, () => tables.kv.under(prefix)),
    kvKeys: (prefix, separator, seenIndex = 0) =>
      keys.read({ name: `${separator.length} ${separator}${prefix}`, prefix, seenIndex }, () =>
        tables.kv.keysUnder(prefix, separator),
      ),
    endedKvEntries: (nowMs, limit) => tables.kv.endedBy(nowMs, limit),
    newestTombstone: () => tables.kv.newestTombstone(),
    session: (id) => cache.read(session, id, [watchKeys.session(id)], () => tables.sessions.get(id)),
    sessions: () => cache.read(sessions, "", [watchKeys.sessions], () => sorted(tables.sessions.all())),
    nodeSessions: (node) =>
      cache.read(onNode, node, [watchKeys.nodeSessions(node)], () => sorted(tables.sessions.onNode(node))),
    lockDelays: () => [...tables.lockDelays.all()],
    lockDelay: (key) => tables.lockDelays.get(key),
    readTransaction: (operations) => readTransaction(tables, operations),
  };
}

interface ListRequest {
  readonly name: string;
  readonly prefix: string;
  readonly seenIndex: number;
}

/**
 * Lists below a prefix, the same object for as long as nothing below it changes. When tombstones are forgotten an index can
 * fall; who has seen the larger one keeps it, since nothing that happened in between was missed.
 */
function createListCache<T>(tables: Tables): { read(request: ListRequest, compute: () => T): Read<T> } {
  const known = new Map<string, { readonly read: Read<T>; readonly reaped: number }>();
  return {
    read({ name, prefix, seenIndex }, compute) {
      const index = tables.kv.indexUnder(prefix);
      const reaped = tables.indexes.latest([watchKeys.kvReaped]);
      let current = known.get(name);
      // Before tombstones were forgotten the same index could mean an older list.
      if (current === undefined || current.read.index !== index || current.reaped !== reaped) {
        if (known.size >= maxLists) known.clear();
        current = { read: { index, value: compute(), watch: [watchKeys.kvUnder(prefix)] }, reaped };
        known.set(name, current);
      }
      const { read } = current;
      return seenIndex > index && seenIndex <= reaped ? { ...read, index: seenIndex } : read;
    },
  };
}

function sorted(sessions: Iterable<SessionRecord>): readonly SessionRecord[] {
  return [...sessions].sort((a, b) => compareText(a.ID, b.ID));
}
