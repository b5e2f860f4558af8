import { expect, test } from "bun:test";
import { join } from "node:path";
import { openLevelStore } from "../../../../server/log/level-store.ts";
import { startServer } from "../../../../server/server.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../../fakes/test-runtime.ts";
import { oldClusterId, writeFormat1 } from "../../log/format-1.ts";
import { numberedCommand } from "../../log/numbered-command.ts";
import { damage } from "./disk.ts";

/** What a single-server release leaves behind; its last writes are in the log and not in the rows yet. */
async function writeOldData(directory: string): Promise<{ clusterId: string; contents: unknown[]; index: number }> {
  const store = await openLevelStore(directory);
  const state = await writeFormat1(
    store,
    Array.from({ length: 20 }, (_, i) => [numberedCommand(i)]),
  );
  await store.close();
  return { clusterId: oldClusterId, contents: [...state.dump()], index: state.reader.appliedIndex() };
}

async function start(dataDir: string) {
  return startServer({
    datacenter: "dc1",
    dataDir,
    rpcHost: "127.0.0.1",
    rpcPort: 0,
    runtime: createTestRuntime({ seed: Math.floor(performance.now() * 1000) }),
    onFatal: () => undefined,
  });
}

test("data of a single-server release are taken over: same cluster, same catalog, indexes that go on", async () => {
  using temp = createTempDir();
  const old = await writeOldData(join(temp.path, "server"));
  for (let round = 0; round < 2; round++) {
    const server = await start(temp.path);
    try {
      expect(String(server.clusterId)).toBe(old.clusterId);
      const rows: unknown[] = [];
      const snapshot = await server.operator.openSnapshot();
      for await (const row of snapshot.rows()) rows.push(row);
      await snapshot.close();
      for (const row of old.contents.filter((one) => JSON.stringify(one).includes('"table":"services"'))) {
        expect(rows).toContainEqual(row);
      }
      const { index } = await server.log.propose(numberedCommand(0));
      expect(index).toBeGreaterThan(old.index);
    } finally {
      await server.stop(1_000);
    }
    old.contents.length = 0;
  }
});

test("damaged data of a single-server release are refused", async () => {
  using temp = createTempDir();
  const directory = join(temp.path, "server");
  await writeOldData(directory);
  await damage(directory, (db) => db.del("log/0000000000000005"));
  await expect(start(temp.path)).rejects.toMatchObject({ code: "DATA_CORRUPT" });
});
