/**
 * What an engine needs of a disk: ordered keys, atomic batches that are durable once they resolve, and a full scan. One
 * batch at a time: the caller waits for the last one before it writes the next.
 */
export interface DurableStore {
  /** Writes all operations or none, in one synced write. */
  write(operations: readonly StoreOperation[]): Promise<void>;
  /** Calls back with every key and value, in key order. */
  scan(onEntry: (key: string, value: Uint8Array) => void): Promise<void>;
  close(): Promise<void>;
}

/** A disk that can also write without waiting for the platter, forget a range and be read as it was at one moment. */
export interface RangedStore extends DurableStore {
  /** All or none, in order with every other write; what is not synced may be lost as a suffix by a crash. */
  writeUnsynced(operations: readonly StoreOperation[]): Promise<void>;
  clear(range: KeyRange): Promise<void>;
  /** The contents as of now, however long it takes to read them. The caller closes it. */
  view(): StoreView;
}

/** From `from`, up to but without `before`. */
export interface KeyRange {
  readonly from: string;
  readonly before: string;
}

export interface StoreView {
  /** Groups of keys and values in key order. */
  read(range: KeyRange): AsyncIterable<readonly (readonly [string, Uint8Array])[]>;
  close(): Promise<void>;
}

export type StoreOperation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };
