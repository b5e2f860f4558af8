/**
 * Format 2 held every entry in a value of its own: four bytes of CRC-32C over key and text, then `<term> <kind> <payload>`.
 * Its log is verified and written anew as runs in one synced batch; everything else is as it was.
 */
import { crc32c, crc32cText } from "../../../lib/base/crc32c.ts";
import type { DurableStore, StoreOperation } from "../../log/durable-store.ts";
import { sealJson } from "../../log/sealed-value.ts";
import type { Entry, LogIndex } from "../core/types.ts";
import { boundsKey, entryKey, formatVersion, identityKey, type LogPlace } from "./disk-layout.ts";
import { encodeRuns, parseEntry } from "./entry-codec.ts";
import type { RecoveredLog } from "./recover-log.ts";

export const format2 = 2;

const checksumBytes = 4;

/** Undefined when the checksum does not follow from the previous one, or the text is no entry. */
export function decodeEntryOfFormat2(
  index: LogIndex,
  stored: Uint8Array,
  previousCrc: number,
): { readonly entry: Entry; readonly crc: number } | undefined {
  if (stored.byteLength <= checksumBytes) return undefined;
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const crc = bytes.readUInt32BE(0);
  if (crc32c(bytes, crc32cText(entryKey(index), previousCrc), checksumBytes) !== crc) return undefined;
  const entry = parseEntry(index, bytes.toString("utf8", checksumBytes));
  return entry === undefined ? undefined : { entry, crc };
}

export async function upgradeFormat2(store: DurableStore, recovered: RecoveredLog): Promise<void> {
  const { entries, bounds, identity } = recovered;
  const { operations, last } = replaceLog(recovered, entries);
  await store.write([
    ...operations,
    putJson(boundsKey, { ...bounds, last }),
    putJson(identityKey, { ...identity, formatVersion }),
  ]);
}

/** Writes the whole log anew: the same indexes, perhaps with other contents, in a chain that begins at the same place. */
export function replaceLog(
  { runs, bounds }: Pick<RecoveredLog, "runs" | "bounds">,
  entries: readonly Entry[],
): { readonly operations: readonly StoreOperation[]; readonly last: LogPlace } {
  const operations: StoreOperation[] = runs.map(({ first }) => ({ type: "del", key: entryKey(first) }));
  let last = bounds.first;
  for (const { bytes, places } of encodeRuns(entries, last.crc)) {
    operations.push({ type: "put", key: entryKey(last.index + 1), value: bytes });
    last = places.at(-1) ?? last;
  }
  return { operations, last };
}

function putJson(key: string, value: unknown): StoreOperation {
  return { type: "put", key, value: sealJson(key, JSON.stringify(value)).bytes };
}
