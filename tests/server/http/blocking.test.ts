import { afterEach, beforeEach, expect, test } from "bun:test";
import { listenHttp } from "../../../lib/http/listen.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestCatalog, instanceBody } from "./test-catalog.ts";
import type { TestCatalog } from "./test-catalog.ts";

/** Blocking queries over real sockets. */
let catalog: TestCatalog;
let base: string;

beforeEach(async () => {
  catalog = createTestCatalog();
  const { port } = await listenHttp(catalog.app, { host: "127.0.0.1", port: 0 });
  base = `http://127.0.0.1:${port}`;
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web" }));
});

afterEach(() => catalog.app.close());

async function untilWaiting(count: number): Promise<void> {
  await eventually(`${count} waiting requests`, () => catalog.app.openRequests.count() === count);
}

test("fifty watchers are all woken by one change, with the new index and the same body", async () => {
  const { index } = await catalog.get("/v1/health/service/web");
  const answers = Array.from({ length: 50 }, async () => {
    const answer = await fetch(`${base}/v1/health/service/web?index=${index}&wait=30s`);
    return { index: Number(answer.headers.get("X-Consul-Index")), body: await answer.text() };
  });
  await untilWaiting(50);
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm2", service: "web" }));
  const got = await Promise.all(answers);
  expect(new Set(got.map((answer) => answer.body)).size).toBe(1);
  expect(JSON.parse(got[0]?.body ?? "")).toHaveLength(2);
  expect(got.every((answer) => answer.index > index)).toBe(true);
  await untilWaiting(0);
});

test("a change of another service wakes nobody", async () => {
  const { index } = await catalog.get("/v1/health/service/web");
  let isAnswered = false;
  const watcher = fetch(`${base}/v1/health/service/web?index=${index}&wait=30s`).then((answer) => {
    isAnswered = true;
    return answer.text();
  });
  await untilWaiting(1);
  for (let i = 0; i < 20; i++) {
    await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm9", service: `other-${i}` }));
  }
  expect(isAnswered).toBe(false);
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm3", service: "web" }));
  expect(JSON.parse(await watcher)).toHaveLength(2);
});

test("a query that times out is answered with the same body and the same index", async () => {
  const before = await catalog.get("/v1/health/service/web");
  const answer = await fetch(`${base}/v1/health/service/web?index=${before.index}&wait=50ms`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("X-Consul-Index")).toBe(String(before.index));
  expect(await answer.text()).toBe(before.body);
});

test("a client that goes away ends its query: nothing keeps waiting for it", async () => {
  const { index } = await catalog.get("/v1/health/service/web");
  const client = new AbortController();
  const query = fetch(`${base}/v1/health/service/web?index=${index}&wait=300s`, { signal: client.signal });
  await untilWaiting(1);
  client.abort();
  await expect(query).rejects.toThrow();
  await untilWaiting(0);
  expect(catalog.state.watches.watchCount()).toBe(0);
});

test("closing the app answers the blocked queries at once", async () => {
  const { index } = await catalog.get("/v1/health/service/web");
  const queries = Array.from({ length: 5 }, () => fetch(`${base}/v1/health/service/web?index=${index}&wait=300s`));
  await untilWaiting(5);
  const startedMs = performance.now();
  await catalog.app.close();
  expect((await Promise.all(queries)).map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
  expect(performance.now() - startedMs).toBeLessThan(1_500);
});

test("a missing config entry keeps its watcher blocked until it is written", async () => {
  const missing = await fetch(`${base}/v1/config/service-defaults/web`);
  expect(missing.status).toBe(404);
  const index = missing.headers.get("X-Consul-Index");
  const watcher = fetch(`${base}/v1/config/service-defaults/web?index=${index}&wait=30s`);
  await untilWaiting(1);
  await catalog.send("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "http" });
  const answer = await watcher;
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ Protocol: "http" });
});

test("an intention wakes those who watch its destination's rules", async () => {
  const url = `${base}/v1/connect/intentions/match?by=destination&name=web`;
  const first = await fetch(url);
  const watcher = fetch(`${url}&index=${first.headers.get("X-Consul-Index")}&wait=30s`);
  await untilWaiting(1);
  await catalog.send("PUT", "/v1/connect/intentions/exact?source=api&destination=web", { Action: "deny" });
  expect(await (await watcher).json()).toMatchObject({ web: [{ SourceName: "api", Action: "deny" }] });
});
