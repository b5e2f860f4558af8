import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../fakes/eventually.ts";
import { CatalogClient } from "./catalog-client.ts";
import { Cluster } from "./cluster.ts";
import { votersOf } from "./membership.ts";
import { whyNoMultiServer } from "./multi-server-support.ts";
import type { ServerProcess } from "./server-process.ts";

const skipped = await whyNoMultiServer();
const atoll = join(import.meta.dirname, "..", "..", "bin", "atoll");
const writes = 40;

/** As an operator does it, on the stopped server. */
function recover(server: ServerProcess, peers: unknown): string {
  const peersPath = join(server.dataDir, "peers.json");
  writeFileSync(peersPath, JSON.stringify(peers));
  const command = ["operator", "raft", "recover", `-data-dir=${server.dataDir}`, `-peers=${peersPath}`];
  const result = Bun.spawnSync([atoll, ...command], { stdout: "pipe", stderr: "pipe" });
  if (result.exitCode !== 0) throw new Error(result.stderr.toString());
  return result.stdout.toString();
}

async function valuesAt(server: ServerProcess): Promise<readonly (string | null | undefined)[]> {
  const catalog = new CatalogClient(server.httpPort);
  return Promise.all(Array.from({ length: writes }, (_, n) => catalog.read(`node-${n}`).then((seen) => seen?.value)));
}

describe.skipIf(skipped !== "")(`a quorum that is gone for good${skipped === "" ? "" : ` (${skipped})`}`, () => {
  test("is replaced by the server that is left, with its data, and others join it again", async () => {
    const cluster = await Cluster.start({ size: 3 });
    try {
      const left = await cluster.waitForLeader();
      const [lost, returning] = cluster.servers.filter((server) => server !== left);
      if (lost === undefined || returning === undefined) throw new Error("a cluster of three has two others");
      const voters = await votersOf(left);
      const id = voters.find(({ address }) => address === left.address)?.id ?? "";
      const catalog = new CatalogClient(left.httpPort);
      for (let n = 0; n < writes; n++) {
        expect(await catalog.write(`node-${n}`, `value-${n}`)).toMatchObject({ kind: "done" });
      }
      await Promise.all(cluster.servers.map((server) => server.end("SIGKILL")));
      lost.wipe();

      const said = recover(left, [{ id, address: left.address }]);
      expect(said).toContain(`MEMBERSHIP REWRITTEN on server ${id}`);
      await left.start();
      const expected = Array.from({ length: writes }, (_, n) => `value-${n}`);
      await eventually("a leader again", async () => (await votersOf(left).catch(() => [])).length === 1);
      expect(await valuesAt(left)).toEqual(expected);
      expect(await catalog.write("node-after", "x")).toMatchObject({ kind: "done" });

      // One that was believed dead comes back with what it had: it is told off, and nobody follows it.
      await returning.start();
      await eventually("its refusal", () => /of cluster|removed/.test(returning.output), 20_000);
      expect((await votersOf(left)).map((voter) => voter.id)).toEqual([id]);
      await returning.end("SIGKILL");
      returning.wipe();

      await Promise.all([lost.start(), returning.start()]);
      await eventually("three voters", async () => (await votersOf(left).catch(() => [])).length === 3, 30_000);
      for (const server of [lost, returning]) expect(await valuesAt(server)).toEqual(expected);
      await left.end("SIGKILL");
      await cluster.waitForLeader([left]);
      expect(await new CatalogClient(lost.httpPort).write("node-later", "x")).toMatchObject({ kind: "done" });
    } finally {
      await cluster.stop();
    }
  }, 120_000);
});
