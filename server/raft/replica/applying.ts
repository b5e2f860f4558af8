/**
 * Applies committed entries: opens the envelope, gives a retried request its first result, hands the command to the
 * machine, takes the state's hash where one is due. What an entry changes beside the machine's own rows (request ids,
 * hashes) becomes rows of the replica's own tables, so a restart and a snapshot carry them.
 */
import type { Entry, LogIndex } from "../core/types.ts";
import { decodeEnvelope } from "./envelope.ts";
import type { Machine, ReplicaLimits, Row } from "./replica-api.ts";
import {
  createRequestIds,
  formerRequestIdTable,
  type RememberedResult,
  requestIdsName,
  requestIdTable,
} from "./request-ids.ts";
import { createStateHashes, stateHashTable } from "./state-hash.ts";

/** The hash in the log is the leader's, so one wrong leader stops all the others, who then are right. */
const divergenceAdvice =
  "stop this server, wipe its data and let it join again; but when most of the servers say so, keep them: it is the leader " +
  "that differs, so stop that one and make a cluster of the others with atoll operator raft recover";

export type Applied =
  | { readonly ok: true; readonly index: LogIndex; readonly result: unknown; readonly rows: readonly Row[] }
  /** This server must not go on: why, and what to do about it. */
  | { readonly ok: false; readonly reason: string };

export interface Applier {
  apply(entry: Entry): Applied;
  /** Replaces the machine's state and the replica's tables. */
  restore(appliedIndex: LogIndex, rows: Iterable<Row>): void;
  /** The result of a request that had its effect already. */
  remembered(requestId: string): RememberedResult | undefined;
  /** The newest hash taken by `apply` since the last call, for a leader to propose. */
  takeHash(): { readonly index: LogIndex; readonly hash: string } | undefined;
}

export interface ApplierOptions {
  readonly machine: Machine;
  readonly limits: ReplicaLimits;
}

export function createApplier({ machine, limits }: ApplierOptions): Applier {
  const requestIds = createRequestIds(limits);
  const stateHashes = createStateHashes({ every: limits.stateHashEvery });
  let newestHash: { index: LogIndex; hash: string } | undefined;

  const applyCommand = (index: LogIndex, requestId: string, command: string): Applied => {
    const remembered = requestId === "" ? undefined : requestIds.get(requestId);
    if (remembered !== undefined) return { ok: true, rows: [], ...remembered };
    const { result, rows } = machine.apply(index, command);
    if (requestId === "") return { ok: true, index, result, rows };
    return { ok: true, index, result, rows: [...rows, ...requestIds.remember(requestId, { index, result })] };
  };
  const applyData = (index: LogIndex, data: string): Applied => {
    const envelope = decodeEnvelope(data);
    if (envelope.type === "command") return applyCommand(index, envelope.requestId, envelope.command);
    if (envelope.type === "state-hash") {
      const difference = stateHashes.compare(envelope);
      if (difference === undefined) return { ok: true, index, result: null, rows: [] };
      return { ok: false, reason: `${difference}; ${divergenceAdvice}` };
    }
    return { ok: false, reason: `entry ${index} cannot be read: ${envelope.reason}; upgrade this server` };
  };

  return {
    apply(entry) {
      const { index } = entry;
      const applied: Applied =
        entry.kind === "command" ? applyData(index, entry.data) : { ok: true, index, result: null, rows: [] };
      if (!applied.ok || !stateHashes.isDue(index)) return applied;
      const hash = `${requestIdsName}-${machine.hash()}/${requestIds.fingerprint()}`;
      newestHash = { index, hash };
      return { ...applied, rows: [...applied.rows, ...stateHashes.remember(index, hash)] };
    },
    restore(appliedIndex, rows) {
      const ids: Row[] = [];
      const own = new Map<string, Row[]>([
        [requestIdTable, ids],
        [formerRequestIdTable, ids],
        [stateHashTable, []],
      ]);
      machine.restore(appliedIndex, machineRows(rows, own));
      requestIds.restore(own.get(requestIdTable) ?? []);
      stateHashes.restore(own.get(stateHashTable) ?? []);
      newestHash = undefined;
    },
    remembered: (requestId) => requestIds.get(requestId),
    takeHash() {
      const taken = newestHash;
      newestHash = undefined;
      return taken;
    },
  };
}

/** Rows of the replica's own tables go to `own`, all others through, so that a large state is not copied. */
function* machineRows(rows: Iterable<Row>, own: ReadonlyMap<string, Row[]>): Iterable<Row> {
  for (const row of rows) {
    const table = own.get(row.table);
    if (table === undefined) yield row;
    else table.push(row);
  }
}
