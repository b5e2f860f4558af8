import { chmod, mkdir } from "node:fs/promises";
import { Level } from "level";
import { errorMessage, systemErrorCode } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { KeyRange, RangedStore, StoreView } from "./durable-store.ts";

/** Entries, and bytes of them, fetched at once while scanning: the addon stops at 16 KiB unless it is told otherwise. */
const scanChunk = 1000;
const scanBytes = 1024 * 1024;

/**
 * Opens (or makes) a LevelDB database in `directory`, which is ours alone (0700: the authority's key is in there).
 * Rejects with `DATA_DIR_LOCKED`, `DATA_CORRUPT`, or `CONFIG_INVALID` when the directory cannot be used.
 */
export async function openLevelStore(directory: string): Promise<RangedStore> {
  await prepareDirectory(directory);
  const db = new Level<string, Uint8Array>(directory, { keyEncoding: "utf8", valueEncoding: "view" });
  try {
    await db.open();
  } catch (thrown) {
    throw openError(directory, thrown);
  }
  return {
    write: (operations) => db.batch([...operations], { sync: true }),
    async scan(onEntry) {
      const iterator = db.iterator({ highWaterMarkBytes: scanBytes });
      try {
        for (;;) {
          const entries = await iterator.nextv(scanChunk);
          if (entries.length === 0) return;
          for (const [key, value] of entries) onEntry(key, value);
        }
      } catch (thrown) {
        throw await readError({ db, directory, thrown });
      } finally {
        await iterator.close();
      }
    },
    writeUnsynced: (operations) => db.batch([...operations], { sync: false }),
    clear: ({ from, before }) => db.clear({ gte: from, lt: before }),
    view: () => openView(db, directory),
    close: () => db.close(),
  };
}

function openView(db: Level<string, Uint8Array>, directory: string): StoreView {
  const snapshot = db.snapshot();
  return {
    async *read({ from, before }: KeyRange) {
      const iterator = db.iterator({ gte: from, lt: before, snapshot, highWaterMarkBytes: scanBytes });
      try {
        for (;;) {
          const entries = await iterator.nextv(scanChunk);
          if (entries.length === 0) return;
          yield entries;
        }
      } catch (thrown) {
        throw await readError({ db, directory, thrown });
      } finally {
        await iterator.close();
      }
    },
    close: () => snapshot.close(),
  };
}

async function prepareDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
  } catch (thrown) {
    throw new AtollError("CONFIG_INVALID", `data directory ${directory} cannot be used: ${errorMessage(thrown)}`, {
      cause: thrown,
    });
  }
}

function openError(directory: string, thrown: unknown): AtollError {
  const reason = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  const options = { cause: thrown };
  switch (systemErrorCode(reason)) {
    case "LEVEL_LOCKED":
      return new AtollError(
        "DATA_DIR_LOCKED",
        `data directory ${directory} is in use by another Atoll server: stop that one first, ` +
          "or give this one a data directory of its own (--data-dir)",
        options,
      );
    case "LEVEL_CORRUPTION":
      return corrupt(directory, errorMessage(reason), thrown);
    default:
      return new AtollError(
        "CONFIG_INVALID",
        `data directory ${directory} cannot be opened: ${errorMessage(reason)}`,
        options,
      );
  }
}

/** LevelDB says what is wrong and not where: the last key that can be read is the one before the damage. */
async function readError(failure: {
  readonly db: Level<string, Uint8Array>;
  readonly directory: string;
  readonly thrown: unknown;
}): Promise<AtollError> {
  const { db, directory, thrown } = failure;
  const key = await lastReadableKey(db);
  const where = key === undefined ? "before its first key" : `behind key ${JSON.stringify(key)}`;
  return corrupt(directory, `${errorMessage(thrown)}, ${where}`, thrown);
}

async function lastReadableKey(db: Level<string, Uint8Array>): Promise<string | undefined> {
  const iterator = db.iterator();
  let last: string | undefined;
  try {
    for (;;) {
      const entry = await iterator.next();
      if (entry === undefined) return last;
      [last] = entry;
    }
  } catch {
    return last;
  } finally {
    await iterator.close();
  }
}

function corrupt(directory: string, reason: string, thrown: unknown): AtollError {
  return new AtollError(
    "DATA_CORRUPT",
    `data directory ${directory} is damaged (${reason}): restore it from a backup, or move it away to start empty`,
    { cause: thrown },
  );
}
