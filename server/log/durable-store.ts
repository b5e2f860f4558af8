/**
 * What the engine needs of a disk: ordered keys, atomic batches that are durable once they resolve, and a full scan. One
 * batch at a time: the caller waits for the last one before it writes the next.
 */
export interface DurableStore {
  /** Writes all operations or none, in one synced write. */
  write(operations: readonly StoreOperation[]): Promise<void>;
  /** Calls back with every key and value, in key order. */
  scan(onEntry: (key: string, value: Uint8Array) => void): Promise<void>;
  close(): Promise<void>;
}

export type StoreOperation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };
