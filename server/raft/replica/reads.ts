/**
 * Linearizable reads on their way: asked of the core (a heartbeat round confirms that this server still leads), confirmed
 * for an index, served when that index is applied. The core gets numbers of its own that are never used twice, whatever
 * callers do with theirs.
 */
import type { ConfirmedRead, LogIndex } from "../core/types.ts";

export interface ServableRead {
  readonly id: number;
  readonly index: LogIndex;
}

export interface Reads {
  /** Takes the caller's id and returns the number to ask the core with. */
  ask(id: number): number;
  confirm(reads: readonly ConfirmedRead[]): void;
  /** Callers' ids of the reads that the core gave up, as it does with all it has not confirmed when leadership is lost. */
  reject(coreIds: readonly number[]): readonly number[];
  /** Confirmed reads that `appliedIndex` satisfies, in the order of confirmation. */
  takeServable(appliedIndex: LogIndex): readonly ServableRead[];
  cancel(id: number): void;
}

export function createReads(): Reads {
  const unconfirmed = new Map<number, number>();
  let confirmed: ServableRead[] = [];
  let nextCoreId = 1;

  const take = (coreId: number): number | undefined => {
    const id = unconfirmed.get(coreId);
    unconfirmed.delete(coreId);
    return id;
  };

  return {
    ask(id) {
      const coreId = nextCoreId++;
      unconfirmed.set(coreId, id);
      return coreId;
    },
    confirm(reads) {
      for (const read of reads) {
        const id = take(read.id);
        if (id !== undefined) confirmed.push({ id, index: read.index });
      }
    },
    reject: (coreIds) => coreIds.flatMap((coreId) => take(coreId) ?? []),
    takeServable(appliedIndex) {
      if (confirmed.length === 0) return confirmed;
      const servable = confirmed.filter(({ index }) => index <= appliedIndex);
      if (servable.length > 0) confirmed = confirmed.filter(({ index }) => index > appliedIndex);
      return servable;
    },
    cancel(id) {
      for (const [coreId, waiting] of unconfirmed) if (waiting === id) unconfirmed.delete(coreId);
      confirmed = confirmed.filter((read) => read.id !== id);
    },
  };
}
