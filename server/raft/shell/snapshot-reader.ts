/** A state as it lies on the disk at one moment, in chunks that can be sent: rows keep the checksums they were written with. */
import type { StoreView } from "../../log/durable-store.ts";
import { unseal } from "../../log/sealed-value.ts";
import type { SnapshotMeta } from "../core/types.ts";
import type { Row } from "../replica/replica-api.ts";
import { type Bounds, boundsKey, decodeKey, generationPrefix, parseBounds } from "./disk-layout.ts";
import { corrupt } from "./recover-log.ts";
import { createChunkWriter } from "./row-frames.ts";
import { unsealRow } from "./row-seal.ts";

/** Rows of one chunk; a single larger row makes a larger chunk. */
export const chunkBytes = 256 * 1024;

export interface SnapshotReader {
  readonly meta: SnapshotMeta;
  /** What the receiver must come to. */
  readonly rowCount: number;
  readonly rowDigest: number;
  chunks(): AsyncIterable<Uint8Array>;
  /** Verified one by one. */
  rows(): AsyncIterable<Row>;
  close(): Promise<void>;
}

/** Takes over the view. What it is a state of is read from the view itself, so that a batch under way cannot mix in. */
export async function openSnapshotReader(options: {
  readonly view: StoreView;
  readonly directory: string;
}): Promise<SnapshotReader> {
  const { view, directory } = options;
  const { appliedIndex, appliedTerm, membership, generation, rowCount, rowDigest } = await readBounds(options);
  const meta: SnapshotMeta = { index: appliedIndex, term: appliedTerm, membership };
  const range = { from: generationPrefix(generation), before: generationPrefix(generation + 1) };
  return {
    meta,
    rowCount,
    rowDigest,
    async *chunks() {
      const writer = createChunkWriter();
      for await (const group of view.read(range)) {
        for (const [key, bytes] of group) {
          const decoded = decodeKey(key);
          if (decoded.kind !== "row") throw corrupt(directory, key, "it is not a row");
          writer.add(decoded, bytes);
          if (writer.sizeBytes() >= chunkBytes) yield writer.take();
        }
      }
      if (writer.sizeBytes() > 0) yield writer.take();
    },
    async *rows() {
      for await (const group of view.read(range)) {
        for (const [key, bytes] of group) {
          const decoded = decodeKey(key);
          const opened = decoded.kind === "row" ? unsealRow(decoded, bytes) : undefined;
          if (opened === undefined) throw corrupt(directory, key, "the row's checksum is wrong");
          yield opened.row;
        }
      }
    },
    close: () => view.close(),
  };
}

async function readBounds(options: { readonly view: StoreView; readonly directory: string }): Promise<Bounds> {
  for await (const group of options.view.read({ from: boundsKey, before: `${boundsKey}~` })) {
    for (const [key, bytes] of group) {
      const opened = unseal(key, bytes);
      const bounds = opened.ok ? parseBounds(opened.value) : undefined;
      if (key === boundsKey && bounds !== undefined) return bounds;
    }
  }
  throw corrupt(options.directory, boundsKey, "it is missing or its checksum is wrong");
}
