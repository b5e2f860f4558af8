/** A snapshot on its way in: its rows are written beside the state, under a generation that nothing points at yet. */
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { RangedStore, StoreOperation } from "../../log/durable-store.ts";
import { createRowDigest, type RowDigest } from "../../log/row-digest.ts";
import type { SnapshotMeta } from "../core/types.ts";
import type { Row } from "../replica/replica-api.ts";
import { boundsKey, decodeKey, generationPrefix, stateKey } from "./disk-layout.ts";
import { corrupt } from "./recover-log.ts";
import { readChunk } from "./row-frames.ts";
import { unsealRow } from "./row-seal.ts";

export interface SnapshotStage {
  /** Verifies every row of a chunk and writes them. Rejects with `DATA_CORRUPT`; the stage is of no use then. */
  add(chunk: Uint8Array): Promise<void>;
  /** Checks the whole against what the sender promised, and makes it durable. */
  seal(whole: { readonly meta: SnapshotMeta; readonly rowCount: number; readonly rowDigest: number }): Promise<void>;
  sealed(): SealedStage | undefined;
}

export interface SealedStage {
  readonly meta: SnapshotMeta;
  readonly generation: number;
  readonly digest: RowDigest;
}

export function startStage(options: { readonly store: RangedStore; readonly generation: number }): SnapshotStage {
  const { store, generation } = options;
  const digest = createRowDigest();
  let done: SealedStage | undefined;
  return {
    async add(chunk) {
      const frames = readChunk(chunk);
      if (frames === undefined) throw damaged("a chunk cannot be read");
      const operations = frames.map(({ table, key, sealed }): StoreOperation => {
        const opened = unsealRow({ table, key }, sealed);
        if (opened === undefined) throw damaged(`the checksum of row ${table}/${key} is wrong`);
        digest.put(table, key, opened.checksum);
        return { type: "put", key: stateKey(generation, { table, key }), value: sealed };
      });
      await store.writeUnsynced(operations);
    },
    async seal({ meta, rowCount, rowDigest }) {
      if (digest.count() !== rowCount || digest.value() !== rowDigest) {
        throw damaged(`${rowCount} rows were promised, ${digest.count()} came, or others`);
      }
      // A synced write makes everything before it durable as well.
      await store.write([{ type: "del", key: stateKey(generation, { table: "end", key: "" }) }]);
      done = { meta, generation, digest };
    },
    sealed: () => done,
  };
}

/** The staged rows, read back from the disk and verified again before they become the state. */
export async function readStagedRows(options: {
  readonly store: RangedStore;
  readonly staged: SealedStage;
  readonly directory: string;
}): Promise<readonly Row[]> {
  const { store, staged, directory } = options;
  const rows: Row[] = [];
  const digest = createRowDigest();
  const view = store.view();
  try {
    const { generation } = staged;
    const range = { from: generationPrefix(generation), before: generationPrefix(generation + 1) };
    for await (const group of view.read(range)) {
      for (const [key, bytes] of group) {
        const decoded = decodeKey(key);
        const opened = decoded.kind === "row" ? unsealRow(decoded, bytes) : undefined;
        if (opened === undefined) throw corrupt(directory, key, "the staged row's checksum is wrong");
        rows.push(opened.row);
        digest.put(opened.row.table, opened.row.key, opened.checksum);
      }
    }
  } finally {
    await view.close();
  }
  if (digest.value() !== staged.digest.value() || digest.count() !== staged.digest.count()) {
    throw corrupt(directory, boundsKey, "the staged snapshot is not what was received");
  }
  return rows;
}

function damaged(problem: string): AtollError {
  return new AtollError("DATA_CORRUPT", `the snapshot is damaged: ${problem}`);
}
