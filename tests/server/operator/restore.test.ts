import { expect, test } from "bun:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import { listenHttp } from "../../../lib/http/listen.ts";
import { registerServerRoutes } from "../../../server/http/server-routes.ts";
import { startServer } from "../../../server/server.ts";
import { readArchive } from "../../../server/snapshot/archive.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { instanceBody } from "../http/test-catalog.ts";

/** Snapshots over whole servers, each with a durable log of its own. */
async function start(dataDir: string) {
  const runtime = createTestRuntime({ seed: dataDir.length + Math.floor(performance.now() * 1000) });
  const onFatal = (error: Error): void => {
    throw error;
  };
  const server = await startServer({ datacenter: "dc1", dataDir, rpcHost: "127.0.0.1", rpcPort: 0, runtime, onFatal });
  const app = createHttpApp({ runtime });
  registerServerRoutes(app, { server, runtime });
  const { port } = await listenHttp(app, { host: "127.0.0.1", port: 0 });
  const base = `http://127.0.0.1:${port}`;
  const get = async (path: string) => {
    const answer = await fetch(`${base}${path}`);
    return { status: answer.status, text: await answer.text(), index: Number(answer.headers.get("X-Consul-Index")) };
  };
  const register = async (node: string, service = "web"): Promise<void> => {
    const body = JSON.stringify(instanceBody({ node, service }));
    const answer = await fetch(`${base}/v1/catalog/register`, { method: "PUT", body });
    expect(answer.status).toBe(200);
  };
  const save = async (): Promise<Buffer> => Buffer.from(await (await fetch(`${base}/v1/snapshot`)).arrayBuffer());
  const restore = async (file: Buffer) => {
    const answer = await fetch(`${base}/v1/snapshot`, { method: "PUT", body: file });
    return { status: answer.status, text: await answer.text() };
  };
  const stop = async (): Promise<void> => {
    await app.close();
    await server.stop(5_000);
  };
  return { base, server, get, register, save, restore, stop };
}

test("a snapshot holds one state while writes go on, and a restore brings exactly that back", async () => {
  using dir = createTempDir();
  const running = await start(dir.path);
  for (let i = 0; i < 50; i++) await running.register(`vm-${i}`);
  const before = await running.get("/v1/health/service/web");
  const writes = Promise.all(Array.from({ length: 100 }, (_, i) => running.register(`late-${i}`, "late")));
  const file = await running.save();
  await writes;
  expect((await running.get("/v1/health/service/late")).text).toContain("late-99");
  const restored = await running.restore(file);
  expect(restored.status).toBe(200);
  const after = await running.get("/v1/health/service/web");
  expect(after.text).toBe(before.text);
  await running.stop();
});

test("a watcher sees the restore, with an index larger than any before, and the state outlives a restart", async () => {
  using dir = createTempDir();
  const first = await start(dir.path);
  await first.register("vm-1");
  const file = await first.save();
  await first.register("vm-2");
  const { index } = await first.get("/v1/health/service/web");
  const watcher = first.get(`/v1/health/service/web?index=${index}&wait=60s`);
  const gone = first.get(
    `/v1/health/service/never?index=${(await first.get("/v1/health/service/never")).index}&wait=60s`,
  );
  await first.restore(file);
  const seen = await watcher;
  expect(JSON.parse(seen.text)).toHaveLength(1);
  expect(seen.index).toBeGreaterThan(index);
  await first.register("vm-3", "never");
  expect(JSON.parse((await gone).text)).toHaveLength(1);
  await first.stop();
  const second = await start(dir.path);
  const again = await second.get("/v1/health/service/web");
  expect(again).toEqual({ status: 200, text: seen.text, index: seen.index });
  await second.stop();
});

test("restored into a younger cluster, records and indexes never fall below what their readers know", async () => {
  using oldDir = createTempDir();
  using newDir = createTempDir();
  const old = await start(oldDir.path);
  for (let i = 0; i < 40; i++) await old.register(`vm-${i}`);
  const known = await old.get("/v1/catalog/service/web");
  const file = await old.save();
  await old.stop();

  const young = await start(newDir.path);
  await young.register("other", "other");
  expect((await young.restore(file)).status).toBe(200);
  const restored = await young.get("/v1/catalog/service/web");
  expect(restored.text).toBe(known.text);
  expect(restored.index).toBeGreaterThan(known.index);
  // A reader of the old cluster blocks with its old index and is answered at once.
  const reader = await young.get(`/v1/catalog/service/web?index=${known.index}&wait=60s`);
  expect(reader.index).toBe(restored.index);
  await young.register("vm-new");
  const [newest] = JSON.parse((await young.get("/v1/catalog/service/web")).text).filter(
    (one: { Node: string }) => one.Node === "vm-new",
  );
  expect(newest.ModifyIndex).toBeGreaterThan(restored.index);
  expect((await young.get("/v1/catalog/service/other")).text).toBe("[]");
  await young.stop();

  // And so it stays when the log is read again.
  const again = await start(newDir.path);
  await again.register("vm-newer");
  expect((await again.get("/v1/catalog/service/web")).index).toBeGreaterThan(newest.ModifyIndex);
  await again.stop();
});

test("the cluster keeps its own authority", async () => {
  using oldDir = createTempDir();
  using newDir = createTempDir();
  const old = await start(oldDir.path);
  const file = await old.save();
  expect(gunzipSync(file).toString("latin1")).toContain("PRIVATE KEY");
  await old.stop();
  const young = await start(newDir.path);
  const roots = (await young.get("/v1/connect/ca/roots")).text;
  await young.restore(file);
  expect((await young.get("/v1/connect/ca/roots")).text).toBe(roots);
  await young.stop();
});

test("a damaged snapshot is refused and changes nothing", async () => {
  using dir = createTempDir();
  const running = await start(dir.path);
  await running.register("vm-1");
  const file = await running.save();
  await running.register("vm-2");
  const before = await running.get("/v1/catalog/nodes");
  const tar = gunzipSync(file);
  const at = tar.indexOf('"vm-1"');
  tar[at + 1] = 0x58;
  const refused = await running.restore(gzipSync(tar));
  expect(refused).toMatchObject({ status: 400 });
  expect(refused.text).toContain("checksum");
  expect(await running.restore(Buffer.from("hello"))).toMatchObject({ status: 400 });
  expect(await running.restore(Buffer.alloc(0))).toMatchObject({ status: 400 });
  expect(await running.get("/v1/catalog/nodes")).toEqual(before);
  await running.stop();
});

test("a restore of 5,000 instances goes through the log in pieces", async () => {
  using dir = createTempDir();
  const running = await start(dir.path);
  for (let i = 0; i < 5_000; i += 250) {
    await Promise.all(Array.from({ length: 250 }, (_, j) => running.register(`vm-${i + j}`)));
  }
  const file = await running.save();
  const { rows } = await readArchive(file);
  expect(rows.filter(({ table }) => table === "services")).toHaveLength(5_000);
  const startIndex = running.server.reader.appliedIndex();
  expect((await running.restore(file)).status).toBe(200);
  expect(running.server.reader.appliedIndex()).toBeGreaterThan(startIndex + 4);
  expect(JSON.parse((await running.get("/v1/catalog/service/web")).text)).toHaveLength(5_000);
  await running.stop();
});
