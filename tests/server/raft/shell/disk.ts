import { join } from "node:path";
import { Level } from "level";
import { openLevelStore } from "../../../../server/log/level-store.ts";
import type { Entry, HardState, Membership } from "../../../../server/raft/core/types.ts";
import type { Row, StoreBatch } from "../../../../server/raft/replica/replica-api.ts";
import { type LevelLog, openLevelLog } from "../../../../server/raft/shell/level-log.ts";
import { noMembers, seedOfNewCluster, writeSeed } from "../../../../server/raft/shell/seed-store.ts";

export const identity = { clusterId: "the-cluster", nodeId: "node-1", datacenter: "dc1" };
export const members: Membership = { ...noMembers, voters: ["node-1"], addresses: { "node-1": "127.0.0.1:8300" } };

export async function openDisk(directory: string): Promise<LevelLog> {
  const store = await openLevelStore(directory);
  const options = { store, directory, expected: { datacenter: "dc1" } };
  try {
    const log = await openLevelLog(options);
    if (log !== undefined) return log;
    await writeSeed(store, seedOfNewCluster(identity, "127.0.0.1:8300"));
    const seeded = await openLevelLog(options);
    if (seeded === undefined) throw new Error("the seed was not found");
    return seeded;
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}

export function command(index: number, term = 1, data = `{"n":${index}}`): Entry {
  return { index, term, kind: "command", data };
}

export function row(key: string, value: unknown): Row {
  return { table: "nodes", key, ...(value === undefined ? {} : { value }) };
}

let lastBatchId = 0;

/** A batch that stores entries and applies `rows`, with everything else as it follows from them. */
export function batch(parts: Partial<StoreBatch> & { readonly hard?: Partial<HardState> }): StoreBatch {
  const { hard, ...rest } = parts;
  lastBatchId++;
  const { appliedIndex = 1 } = parts;
  return {
    batchId: lastBatchId,
    entries: [],
    hardState: { term: 1, vote: "", commit: appliedIndex, ...hard },
    rows: [],
    appliedIndex,
    membership: members,
    compactTo: 0,
    mustSync: true,
    ...rest,
  };
}

/** Changes the database behind the server's back: what a disk that alters or loses rows does. */
export async function damage(directory: string, edit: (db: Level<string, Uint8Array>) => Promise<void>): Promise<void> {
  const db = new Level<string, Uint8Array>(directory, { keyEncoding: "utf8", valueEncoding: "view" });
  await db.open();
  await edit(db);
  await db.close();
}

export function voteFilePath(directory: string): string {
  return join(directory, "vote");
}
