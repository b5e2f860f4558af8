import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLevelStore } from "../../../server/log/level-store.ts";
import type { Entry, Membership } from "../../../server/raft/core/types.ts";
import { encodeStateHash } from "../../../server/raft/replica/envelope.ts";
import { recoverAtStart, recoverFromPeers } from "../../../server/raft/recover-peers.ts";
import { type LevelLog, openLevelLog } from "../../../server/raft/shell/level-log.ts";
import { writeSeed } from "../../../server/raft/shell/seed-store.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

const [a, b, c] = [
  "00000000-0000-4000-8000-00000000000a",
  "00000000-0000-4000-8000-00000000000b",
  "00000000-0000-4000-8000-00000000000c",
];
const clusterId = "9f1c7a52-0000-4000-8000-000000000001";
const membership: Membership = {
  voters: [a, b, c],
  outgoing: [],
  learners: [],
  learnersNext: [],
  removed: ["old"],
  addresses: { [a]: "a:8300", [b]: "b:8300", [c]: "c:8300" },
};

const entries: readonly Entry[] = [
  { index: 2, term: 2, kind: "empty" },
  { index: 3, term: 2, kind: "command", data: '{"command":{"type":"x"}}' },
  {
    index: 4,
    term: 2,
    kind: "config",
    change: { type: "change", steps: [{ action: "add-learner", node: "d", address: "d:1" }] },
  },
  { index: 5, term: 2, kind: "command", data: '{"command":{"type":"y"}}' },
  { index: 6, term: 2, kind: "command", data: encodeStateHash({ index: 3, hash: "rows1:7" }) },
];

/** A server of three, stopped, with a log of which two entries are committed. */
async function stoppedServer(dataDir: string): Promise<void> {
  const directory = join(dataDir, "server");
  const store = await openLevelStore(directory);
  await writeSeed(store, {
    identity: { clusterId, nodeId: a, datacenter: "dc1" },
    snapshot: { index: 1, term: 1, membership },
    rows: [{ table: "nodes", key: "vm1", value: { Node: "vm1" } }],
  });
  const log = await openLevelLog({ store, directory, expected: { datacenter: "dc1" } });
  await log?.write({
    batchId: 1,
    entries,
    hardState: { term: 2, vote: a, commit: 3 },
    rows: [],
    appliedIndex: 1,
    membership,
    compactTo: 1,
    mustSync: true,
  });
  await log?.close();
}

async function reopen(dataDir: string): Promise<LevelLog> {
  const directory = join(dataDir, "server");
  const log = await openLevelLog({
    store: await openLevelStore(directory),
    directory,
    expected: { datacenter: "dc1" },
  });
  if (log === undefined) throw new Error("the database is empty");
  return log;
}

function peersFile(dataDir: string, peers: unknown): string {
  const path = join(dataDir, "my-peers.json");
  writeFileSync(path, typeof peers === "string" ? peers : JSON.stringify(peers));
  return path;
}

test("the membership becomes the file's, the log and the rows stay, and the lost servers can never come back", async () => {
  using dir = createTempDir();
  await stoppedServer(dir.path);
  const peersPath = peersFile(dir.path, [
    { id: a, address: "10.0.0.1:8300" },
    { id: b, address: "10.0.0.2:8300", non_voter: true },
  ]);
  const done = await recoverFromPeers({ dataDir: dir.path, datacenter: "dc1", peersPath });
  expect(done).toMatchObject({ nodeId: a, lastIndex: 6, commitIndex: 3, clusterIdBefore: clusterId });
  expect(done.clusterIdAfter).not.toBe(clusterId);

  const log = await reopen(dir.path);
  expect(log.stored.membership).toEqual({
    voters: [a],
    outgoing: [],
    learners: [b],
    learnersNext: [],
    removed: ["old", c],
    addresses: { [a]: "10.0.0.1:8300", [b]: "10.0.0.2:8300" },
  });
  expect(log.identity.clusterId).toBe(done.clusterIdAfter);
  expect(log.stored.hardState).toEqual({ term: 2, vote: a, commit: 3 });
  expect(log.stored.entries.map(({ index, kind }) => [index, kind])).toEqual([
    [2, "empty"],
    [3, "command"],
    [4, "empty"],
    [5, "command"],
    // The lost leader's opinion of the state must not stop those that are left.
    [6, "empty"],
  ]);
  expect(log.takeRows()).toHaveLength(1);
  await log.close();
});

test("every server computes the same new cluster id from the same file", async () => {
  using one = createTempDir();
  using two = createTempDir();
  const peers = [
    { id: a, address: "h:1" },
    { id: b, address: "h:2" },
  ];
  const ids: string[] = [];
  for (const dir of [one, two]) {
    await stoppedServer(dir.path);
    const peersPath = peersFile(dir.path, dir === one ? peers : peers.toReversed());
    ids.push((await recoverFromPeers({ dataDir: dir.path, datacenter: "dc1", peersPath })).clusterIdAfter);
  }
  expect(ids[0]).toBe(ids[1] ?? "");
});

test("a peers.json in the data directory is used once, and the log says so loudly", async () => {
  using dir = createTempDir();
  await stoppedServer(dir.path);
  const path = join(dir.path, "server", "peers.json");
  writeFileSync(path, JSON.stringify([{ id: a, address: "h:1" }]));
  const { logger, lines } = createTestRuntime();
  await recoverAtStart({ dataDir: dir.path, datacenter: "dc1", logger });
  expect(lines.join("\n")).toContain("MEMBERSHIP REWRITTEN");
  expect(lines.join("\n")).toContain("LOST");
  expect(existsSync(path)).toBe(false);
  expect(readFileSync(`${path}.done`, "utf8")).toContain(a);
  const before = lines.length;
  await recoverAtStart({ dataDir: dir.path, datacenter: "dc1", logger });
  expect(lines).toHaveLength(before);
  const log = await reopen(dir.path);
  expect(log.stored.membership.voters).toEqual([a]);
  await log.close();
});

test.each<[string, unknown, string]>([
  ["no JSON", "[{", "line 1"],
  ["no list", {}, "cannot be used"],
  ["an unknown key", [{ id: a, address: "h:1", voter: true }], "cannot be used"],
  ["an address without a port", [{ id: a, address: "h" }], "must be host:port"],
  [
    "an id twice",
    [
      { id: a, address: "h:1" },
      { id: a, address: "h:2" },
    ],
    "twice",
  ],
  ["no voter", [{ id: a, address: "h:1", non_voter: true }], "names no voter"],
  ["another server only", [{ id: b, address: "h:1" }], `its id is ${a}`],
  [
    "a server that was removed",
    [
      { id: a, address: "h:1" },
      { id: "old", address: "h:2" },
    ],
    "was removed",
  ],
])("a peers file with %s is refused, and nothing is changed", async (_what, peers, reason) => {
  using dir = createTempDir();
  await stoppedServer(dir.path);
  const recovery = recoverFromPeers({ dataDir: dir.path, datacenter: "dc1", peersPath: peersFile(dir.path, peers) });
  await expect(recovery).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  await expect(recovery).rejects.toThrow(reason);
  const log = await reopen(dir.path);
  expect(log.stored.membership).toEqual(membership);
  expect(log.stored.entries).toEqual([...entries]);
  await log.close();
});

test("a directory without data and one of a running server are refused", async () => {
  using dir = createTempDir();
  const peersPath = peersFile(dir.path, [{ id: a, address: "h:1" }]);
  const recover = () => recoverFromPeers({ dataDir: dir.path, datacenter: "dc1", peersPath });
  await expect(recover()).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(existsSync(join(dir.path, "server"))).toBe(false);
  await stoppedServer(dir.path);
  const running = await openLevelStore(join(dir.path, "server"));
  await expect(recover()).rejects.toMatchObject({ code: "DATA_DIR_LOCKED" });
  await running.close();
});
