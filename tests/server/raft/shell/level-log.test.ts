import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { Level } from "level";
import type { Row } from "../../../../server/raft/replica/replica-api.ts";
import { entryKey, stateKey } from "../../../../server/raft/shell/disk-layout.ts";
import type { LevelLog } from "../../../../server/raft/shell/level-log.ts";
import { type Ballot, openVoteFile } from "../../../../server/raft/shell/vote-file.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";
import { batch, command, damage, identity, members, openDisk, row, voteFilePath } from "./disk.ts";

/** Five entries, the first three applied; 3 and 4 came in one batch. */
async function fill(directory: string): Promise<void> {
  const log = await openDisk(directory);
  for (const indexes of [[2], [3, 4], [5], [6]])
    await log.write(batch({ entries: indexes.map((index) => command(index)) }));
  await log.write(batch({ rows: [row("a", { v: 1 }), row("b", { v: 2 })], appliedIndex: 4, mustSync: false }));
  await log.close();
}

async function reopened<T>(directory: string, look: (log: LevelLog) => T | Promise<T>): Promise<T> {
  const log = await openDisk(directory);
  try {
    return await look(log);
  } finally {
    await log.close();
  }
}

test("an empty directory becomes a cluster of one at index 1", async () => {
  using temp = createTempDir();
  await reopened(temp.path, (log) => {
    expect(log.identity).toEqual({ formatVersion: 3, ...identity });
    expect(log.stored).toEqual({
      hardState: { term: 1, vote: "", commit: 1 },
      first: { index: 1, term: 1 },
      entries: [],
      appliedIndex: 1,
      membership: members,
    });
  });
});

test("entries, rows and hard state come back as they were written", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  await reopened(temp.path, (log) => {
    expect(log.stored.entries).toEqual([2, 3, 4, 5, 6].map((index) => command(index)));
    expect(log.stored.appliedIndex).toBe(4);
    expect(log.takeRows()).toEqual([row("a", { v: 1 }), row("b", { v: 2 })]);
  });
});

test("every kind of entry survives, with any text in it", async () => {
  using temp = createTempDir();
  const entries = [
    { index: 2, term: 1, kind: "empty" as const },
    command(3, 1, '{"name":"Zürich \\u0000 \n two  spaces"}'),
    {
      index: 4,
      term: 2,
      kind: "config" as const,
      change: {
        type: "change" as const,
        steps: [
          { action: "add-learner" as const, node: "n2", address: "h:1" },
          { action: "remove" as const, node: "n3" },
        ],
      },
    },
    { index: 5, term: 2, kind: "config" as const, change: { type: "leave-joint" as const } },
  ];
  await reopened(temp.path, (log) => log.write(batch({ entries, hard: { term: 2 } })));
  expect(await reopened(temp.path, (log) => log.stored.entries)).toEqual(entries);
});

test("a conflicting suffix is cut off and the chain goes on from the cut", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  await reopened(temp.path, (log) =>
    log.write(batch({ truncateFrom: 5, entries: [command(5, 2, "new")], appliedIndex: 4, hard: { term: 2 } })),
  );
  await reopened(temp.path, async (log) => {
    expect(log.stored.entries).toEqual([command(2), command(3), command(4), command(5, 2, "new")]);
    await log.write(batch({ entries: [command(6, 2)], appliedIndex: 4, hard: { term: 2 } }));
  });
  expect(await reopened(temp.path, (log) => log.stored.entries.length)).toBe(5);
});

test("compacted entries are gone and the rest is still a chain", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  await reopened(temp.path, (log) => log.write(batch({ appliedIndex: 4, compactTo: 3 })));
  await reopened(temp.path, async (log) => {
    expect(log.stored.first).toEqual({ index: 3, term: 1 });
    expect(log.stored.entries).toEqual([command(4), command(5), command(6)]);
    await log.write(batch({ appliedIndex: 6, compactTo: 6 }));
  });
  expect(await reopened(temp.path, (log) => [log.stored.first.index, log.stored.entries.length])).toEqual([6, 0]);
});

test("a cut in the middle of what one batch wrote holds, again and again, and after restarts", async () => {
  using temp = createTempDir();
  await reopened(temp.path, (log) => log.write(batch({ entries: [2, 3, 4, 5, 6].map((index) => command(index)) })));
  await reopened(temp.path, (log) =>
    log.write(batch({ truncateFrom: 4, entries: [command(4, 2), command(5, 2)], hard: { term: 3 } })),
  );
  await reopened(temp.path, async (log) => {
    expect(log.stored.entries).toEqual([command(2), command(3), command(4, 2), command(5, 2)]);
    // Nothing comes in place of what is cut off: the first run's old entries must not show again.
    await log.write(batch({ truncateFrom: 4, entries: [], hard: { term: 3 } }));
  });
  await reopened(temp.path, async (log) => {
    expect(log.stored.entries).toEqual([command(2), command(3)]);
    await log.write(batch({ entries: [command(4, 3)], hard: { term: 3 } }));
  });
  await reopened(temp.path, async (log) => {
    expect(log.stored.entries).toEqual([command(2), command(3), command(4, 3)]);
    await log.write(batch({ appliedIndex: 3, compactTo: 3, hard: { term: 3 } }));
  });
  expect(await reopened(temp.path, (log) => log.stored.entries)).toEqual([command(4, 3)]);
});

test("a run that is partly compacted stays until all of it may go", async () => {
  using temp = createTempDir();
  await reopened(temp.path, (log) => log.write(batch({ entries: [2, 3, 4, 5].map((index) => command(index)) })));
  await reopened(temp.path, (log) => log.write(batch({ appliedIndex: 4, compactTo: 3 })));
  await reopened(temp.path, async (log) => {
    expect(log.stored.entries).toEqual([command(4), command(5)]);
    await log.write(batch({ appliedIndex: 5, compactTo: 5 }));
    await log.write(batch({ entries: [command(6)], appliedIndex: 5, compactTo: 5 }));
  });
  expect(await reopened(temp.path, (log) => log.stored.entries)).toEqual([command(6)]);
});

test("many large entries of one batch come back", async () => {
  using temp = createTempDir();
  const entries = Array.from({ length: 12 }, (_, i) => command(i + 2, 1, "ü".repeat(90_000 + i)));
  await reopened(temp.path, (log) => log.write(batch({ entries })));
  await reopened(temp.path, async (log) => {
    expect(log.stored.entries).toEqual(entries);
    await log.write(batch({ truncateFrom: 5, entries: [command(5, 2)], hard: { term: 2 } }));
  });
  expect(await reopened(temp.path, (log) => log.stored.entries)).toEqual([...entries.slice(0, 3), command(5, 2)]);
});

test("a deleted row stays deleted", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  await reopened(temp.path, (log) => log.write(batch({ rows: [row("a", undefined)], appliedIndex: 5 })));
  expect(await reopened(temp.path, (log) => log.takeRows())).toEqual([row("b", { v: 2 })]);
});

const flip = (key: string) => async (db: Level<string, Uint8Array>) => {
  const bytes = Buffer.from((await db.get(key)) ?? []);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  await db.put(key, bytes);
};
const damages: {
  readonly what: string;
  readonly edit: (db: Level<string, Uint8Array>) => Promise<void>;
  readonly names: string;
}[] = [
  { what: "a flipped bit in an entry", edit: flip(entryKey(3)), names: `${entryKey(4)} in ${entryKey(3)}` },
  { what: "entries lost in the middle", edit: (db) => db.del(entryKey(3)), names: entryKey(3) },
  {
    what: "a run that was cut short",
    async edit(db) {
      const run = (await db.get(entryKey(3))) ?? new Uint8Array();
      await db.put(entryKey(3), run.subarray(0, run.length - 1));
    },
    names: entryKey(3),
  },
  {
    what: "an entry lost from the end of a run",
    async edit(db) {
      const run = Buffer.from((await db.get(entryKey(3))) ?? []);
      await db.put(entryKey(3), run.subarray(0, 8 + run.readUInt32BE(0)));
    },
    names: entryKey(4),
  },
  { what: "the newest entry lost", edit: (db) => db.del(entryKey(6)), names: entryKey(6) },
  {
    what: "two entries that changed places",
    async edit(db) {
      const [a, b] = [(await db.get(entryKey(5))) ?? new Uint8Array(), (await db.get(entryKey(6))) ?? new Uint8Array()];
      await db.batch([
        { type: "put", key: entryKey(5), value: b },
        { type: "put", key: entryKey(6), value: a },
      ]);
    },
    names: entryKey(5),
  },
  {
    what: "an entry too many",
    async edit(db) {
      await db.put(entryKey(7), (await db.get(entryKey(6))) ?? new Uint8Array());
    },
    names: "meta/bounds",
  },
  { what: "a flipped bit in a row", edit: flip(stateKey(1, row("a", 1))), names: "nodes/a" },
  { what: "a lost row", edit: (db) => db.del(stateKey(1, row("b", 1))), names: "meta/bounds" },
  { what: "flipped bounds", edit: flip("meta/bounds"), names: "meta/bounds" },
  { what: "lost bounds", edit: (db) => db.del("meta/bounds"), names: "meta/bounds" },
  { what: "a lost identity", edit: (db) => db.del("meta/identity"), names: "meta/identity" },
  { what: "a stranger's key", edit: (db) => db.put("stranger", new Uint8Array([1])), names: "stranger" },
];
for (const { what, edit, names } of damages) {
  test(`${what} refuses the start, naming the key and the way out`, async () => {
    using temp = createTempDir();
    await fill(temp.path);
    await damage(temp.path, edit);
    const refused = openDisk(temp.path);
    await expect(refused).rejects.toMatchObject({ code: "DATA_CORRUPT" });
    await expect(refused).rejects.toThrow(names);
    await expect(refused).rejects.toThrow("joins its cluster under a new id");
  });
}

test("a vote that the database lost is remembered by the copy", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  let before: Uint8Array | undefined;
  await damage(temp.path, async (db) => {
    before = await db.get("meta/bounds");
  });
  await reopened(temp.path, (log) => log.write(batch({ appliedIndex: 4, hard: { term: 7, vote: "node-3" } })));
  // The disk forgets the newest batch, as LevelDB does with a damaged block at the end of its log.
  await damage(temp.path, (db) => db.put("meta/bounds", before ?? new Uint8Array()));
  await reopened(temp.path, (log) => {
    expect(log.stored.hardState).toEqual({ term: 7, vote: "node-3", commit: 4 });
  });
});

test("a copy of the vote that cannot be read leaves the database's", async () => {
  using temp = createTempDir();
  await reopened(temp.path, (log) => log.write(batch({ hard: { term: 3, vote: "node-2" } })));
  writeFileSync(voteFilePath(temp.path), Buffer.alloc(9000, 7));
  expect(await reopened(temp.path, (log) => log.stored.hardState)).toEqual({ term: 3, vote: "node-2", commit: 1 });
});

test("a torn slot of the copy leaves the other one, and another server's file counts for nothing", async () => {
  using temp = createTempDir();
  const path = voteFilePath(temp.path);
  const file = await openVoteFile({ path, nodeId: "node-1" });
  await file.write({ term: 3, vote: "node-2" });
  await file.write({ term: 4, vote: "node-3" });
  await file.close();
  expect(await ballotIn(path, "node-1")).toEqual({ term: 4, vote: "node-3" });
  expect(await ballotIn(path, "node-2")).toBeUndefined();
  const bytes = readFileSync(path);
  // The second write went to the first slot.
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  expect(await ballotIn(path, "node-1")).toEqual({ term: 3, vote: "node-2" });
});

async function ballotIn(path: string, nodeId: string): Promise<Ballot | undefined> {
  const file = await openVoteFile({ path, nodeId });
  await file.close();
  return file.found;
}

async function chunksOf(log: LevelLog): Promise<{ chunks: Uint8Array[]; rowCount: number; rowDigest: number }> {
  const reader = await log.openSnapshot();
  const chunks: Uint8Array[] = [];
  for await (const chunk of reader.chunks()) chunks.push(chunk);
  await reader.close();
  return { chunks, rowCount: reader.rowCount, rowDigest: reader.rowDigest };
}

const snapshot = { index: 40, term: 3, membership: { ...members, learners: ["node-9"] } };
const installed = { term: 3, vote: "", commit: 40 };

test("a snapshot replaces the state and the log in one step, and the rest of the old state goes", async () => {
  using source = createTempDir();
  using target = createTempDir();
  const rows: Row[] = Array.from({ length: 2000 }, (_, i) => row(`key-${i}`, { i, text: "x".repeat(300) }));
  await reopened(source.path, (log) => log.write(batch({ entries: [command(2)], rows, appliedIndex: 2 })));
  const sent = await reopened(source.path, chunksOf);
  expect(sent.chunks.length).toBeGreaterThan(2);
  await fill(target.path);
  await reopened(target.path, async (log) => {
    const stage = await log.stage();
    for (const chunk of sent.chunks) await stage.add(chunk);
    await stage.seal({ meta: snapshot, ...sent });
    expect((await log.install({ snapshot, hardState: installed })).length).toBe(2000);
    await log.write(batch({ entries: [command(41, 3)], appliedIndex: 40, hard: installed }));
  });
  await reopened(target.path, (log) => {
    expect(log.stored.first).toEqual({ index: 40, term: 3 });
    expect(log.stored.entries).toEqual([command(41, 3)]);
    expect(log.takeRows().toSorted(byKey)).toEqual(rows.toSorted(byKey));
  });
});

const byKey = (a: Row, b: Row): number => (a.key < b.key ? -1 : 1);

test("a snapshot that was staged and not installed leaves the state alone and is gone after a start", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  await reopened(temp.path, async (log) => {
    const sent = await chunksOf(log);
    const stage = await log.stage();
    for (const chunk of sent.chunks) await stage.add(chunk);
    await stage.seal({ meta: snapshot, ...sent });
  });
  await reopened(temp.path, (log) => expect(log.takeRows()).toHaveLength(2));
  await damage(temp.path, async (db) => {
    const keys = await db.keys().all();
    expect(keys.filter((key) => key.startsWith("state/0000000002"))).toEqual([]);
    expect(keys.filter((key) => key.startsWith("state/0000000001"))).toHaveLength(2);
  });
});

test("a snapshot is read as it was, while batches go on", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  await reopened(temp.path, async (log) => {
    const reader = await log.openSnapshot();
    await log.write(batch({ rows: [row("a", undefined), row("c", 3)], appliedIndex: 6 }));
    const rows: Row[] = [];
    for await (const one of reader.rows()) rows.push(one);
    await reader.close();
    expect(reader.meta).toEqual({ index: 4, term: 1, membership: members });
    expect(rows).toEqual([row("a", { v: 1 }), row("b", { v: 2 })]);
  });
});

test("a chunk with a flipped bit, and a snapshot with rows missing, are refused", async () => {
  using temp = createTempDir();
  await fill(temp.path);
  await reopened(temp.path, async (log) => {
    const sent = await chunksOf(log);
    const flipped = Buffer.from(sent.chunks[0] ?? []);
    flipped[flipped.length - 3] = (flipped[flipped.length - 3] ?? 0) ^ 4;
    await expect((await log.stage()).add(flipped)).rejects.toMatchObject({ code: "DATA_CORRUPT" });
    const stage = await log.stage();
    await expect(stage.seal({ meta: snapshot, ...sent })).rejects.toMatchObject({ code: "DATA_CORRUPT" });
  });
});
