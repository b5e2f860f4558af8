import { expect, test } from "bun:test";
import type { HttpApp } from "../../../lib/http/http-app.ts";
import { createForwardHandler } from "../../../server/http/forward-handler.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createRouteCluster } from "./route-cluster.ts";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

async function withKeys(...keys: readonly string[]): Promise<TestCatalog> {
  const catalog = createTestCatalog();
  for (const key of keys) await catalog.send("PUT", `/v1/kv/${key}`, "x");
  return catalog;
}

/** As over a socket: fastify's `inject` cleans URLs. */
async function sendAsIs(app: HttpApp, method: string, url: string): Promise<{ status: number; body: string }> {
  const request = { method, url, headers: {}, body: Buffer.from("x") };
  const answer = await createForwardHandler(app)(request, new AbortController().signal);
  return { status: answer.status, body: Buffer.from(answer.body).toString() };
}

test("a key is put, answered in Consul's order of fields, and deleted", async () => {
  const catalog = createTestCatalog();
  expect(await catalog.send("PUT", "/v1/kv/web/name?flags=7", "hello")).toMatchObject({ status: 200, body: "true" });
  const answer = await catalog.get("/v1/kv/web/name");
  expect(answer.body).toBe(
    `[{"LockIndex":0,"Key":"web/name","Flags":7,"Value":"aGVsbG8=","CreateIndex":${answer.index},"ModifyIndex":${answer.index}}]`,
  );
  expect(await catalog.send("DELETE", "/v1/kv/web/name")).toMatchObject({ status: 200, body: "true" });
  expect(await catalog.get("/v1/kv/web/name")).toMatchObject({ status: 404, body: "" });
  expect((await catalog.get("/v1/kv/web/name")).index).toBeGreaterThan(answer.index);
});

test("an empty value is null, as Consul has it", async () => {
  const catalog = createTestCatalog();
  await catalog.send("PUT", "/v1/kv/empty");
  expect((await catalog.get("/v1/kv/empty")).json).toMatchObject([{ Value: null }]);
  expect(await catalog.get("/v1/kv/empty?raw")).toMatchObject({ status: 200, body: "" });
});

test("bytes come back as they went, raw as text that no browser runs", async () => {
  const catalog = createTestCatalog();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await catalog.app.inject({ method: "PUT", url: "/v1/kv/bin", payload: bytes });
  const raw = await catalog.app.inject({ method: "GET", url: "/v1/kv/bin?raw" });
  expect(raw.rawPayload.equals(bytes)).toBe(true);
  expect(raw.headers).toMatchObject({
    "content-type": "text/plain",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
  });
  expect((await catalog.get("/v1/kv/bin")).json).toMatchObject([{ Value: bytes.toString("base64") }]);
});

test("flags are 64 bits: what clients mark locks with is not rounded", async () => {
  const catalog = createTestCatalog();
  for (const flags of ["3304740253564472344", "18446744073709551615", "9007199254740993", "0"]) {
    await catalog.send("PUT", `/v1/kv/k?flags=${flags}`, "x");
    expect((await catalog.get("/v1/kv/k")).body).toContain(`"Flags":${flags},`);
  }
});

test("keys are any text: escapes, slashes, spaces and other alphabets", async () => {
  const catalog = createTestCatalog();
  for (const key of ["a b", "ä/ö", "a%2Fb", "日本/語", "x+y", "..a/b..", "a//b", "tail/", "#?&=%"]) {
    const url = `/v1/kv/${encodeURIComponent(key)}`;
    expect(await catalog.send("PUT", url, key)).toMatchObject({ status: 200 });
    expect((await catalog.get(url)).json).toMatchObject([{ Key: key }]);
  }
  await catalog.send("PUT", "/v1/kv/plain/with/slashes", "x");
  expect((await catalog.get("/v1/kv/plain%2Fwith%2Fslashes")).status).toBe(200);
});

test("keys and recurse answer what is below a prefix; a separator, also misspelled, cuts", async () => {
  const catalog = await withKeys("a", "a/b/1", "a/b/2", "a/c", "b");
  expect((await catalog.get("/v1/kv/?keys")).json).toEqual(["a", "a/b/1", "a/b/2", "a/c", "b"]);
  expect((await catalog.get("/v1/kv/?keys&separator=/")).json).toEqual(["a", "a/", "b"]);
  expect((await catalog.get("/v1/kv/a/?keys&seperator=/")).json).toEqual(["a/b/", "a/c"]);
  expect((await catalog.get("/v1/kv/a/b?recurse")).json).toMatchObject([{ Key: "a/b/1" }, { Key: "a/b/2" }]);
  expect(await catalog.send("DELETE", "/v1/kv/a/?recurse")).toMatchObject({ body: "true" });
  expect((await catalog.get("/v1/kv?keys")).json).toEqual(["a", "b"]);
  expect(await catalog.send("DELETE", "/v1/kv/?recurse")).toMatchObject({ body: "true" });
  expect(await catalog.get("/v1/kv/?keys")).toMatchObject({ status: 200, json: [] });
  expect(await catalog.get("/v1/kv/a?keys")).toMatchObject({ status: 404, body: "" });
  expect(await catalog.get("/v1/kv/?recurse")).toMatchObject({ status: 404, body: "" });
});

test("cas writes and deletes only at the index that was seen, 0 for nothing there", async () => {
  const catalog = createTestCatalog();
  const put = (cas: number | string) => catalog.send("PUT", `/v1/kv/k?cas=${cas}`, String(cas));
  expect((await put(0)).body).toBe("true");
  expect((await put(0)).body).toBe("false");
  const { index } = await catalog.get("/v1/kv/k");
  expect((await put(index)).body).toBe("true");
  expect((await put(index)).body).toBe("false");
  expect((await put("18446744073709551615")).body).toBe("false");
  expect((await catalog.send("DELETE", `/v1/kv/k?cas=${index}`)).body).toBe("false");
  expect((await catalog.send("DELETE", `/v1/kv/k?cas=${(await catalog.get("/v1/kv/k")).index}`)).body).toBe("true");
});

const refusals: readonly (readonly [string, "PUT" | "DELETE", string, string])[] = [
  ["a write without a key", "PUT", "/v1/kv/", "Missing key name"],
  ["a deletion without a key", "DELETE", "/v1/kv/", "Missing key name"],
  ["flags that conflict", "PUT", "/v1/kv/k?release=b&cas=1", "Conflicting flags: cas=1&release=b"],
  ["a conflicting deletion", "DELETE", "/v1/kv/k?recurse&cas=1", "Conflicting flags: cas=1&recurse="],
  ["flags of 65 bits", "PUT", "/v1/kv/k?flags=18446744073709551616", 'Invalid flags "18446744073709551616"'],
  ["an index that is none", "PUT", "/v1/kv/k?cas=x", 'Invalid cas "x"'],
  ["a TTL that is none", "PUT", "/v1/kv/k?ttl=1", 'Invalid ttl "1"'],
  ["a TTL that is too short", "PUT", "/v1/kv/k?ttl=10ms", "give a duration from 1s to"],
  [
    "a key that climbs",
    "PUT",
    "/v1/kv/a/../b",
    'the segment ".." is refused, since it could be used for path traversal',
  ],
  ["a key that climbs in escapes", "PUT", "/v1/kv/a/%2E%2e/b", 'Invalid key name "a/../b"'],
  ["a key that climbs backwards", "PUT", "/v1/kv/a%5C..%5Cb", "path traversal"],
  ["a lock without a session", "PUT", "/v1/kv/k?acquire=", "missing session"],
];
for (const [what, method, url, message] of refusals) {
  test(`${what} is a 400 that says so, and nothing is written`, async () => {
    const catalog = createTestCatalog();
    const answer = await sendAsIs(catalog.app, method, url);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain(message);
    expect((await catalog.get("/v1/kv/?keys")).json).toEqual([]);
  });
}

test("a value of 512 KiB is taken, one byte more is a 413 that names both sizes", async () => {
  const catalog = createTestCatalog();
  const put = (bytes: number) =>
    catalog.app.inject({ method: "PUT", url: "/v1/kv/big", payload: Buffer.alloc(bytes, 255) });
  expect((await put(524_288)).statusCode).toBe(200);
  const refused = await put(524_289);
  expect(refused.statusCode).toBe(413);
  expect(refused.body).toContain("Request body(524289 bytes) too large, max size: 524288 bytes");
});

test("an entry with a TTL says when it ends, others say nothing of it", async () => {
  const catalog = await withKeys("plain");
  const beforeMs = catalog.runtime.clock.nowMs();
  await catalog.send("PUT", "/v1/kv/short?ttl=30s", "x");
  const [entry] = JSON.parse((await catalog.get("/v1/kv/short")).body);
  expect(entry.TTL).toBe("30s");
  expect(Date.parse(entry.ExpiresAt) - beforeMs).toBeGreaterThanOrEqual(30_000);
  expect(Date.parse(entry.ExpiresAt) - beforeMs).toBeLessThan(60_000);
  expect((await catalog.get("/v1/kv/plain")).body).not.toContain("TTL");
  await catalog.send("PUT", "/v1/kv/short", "x");
  expect((await catalog.get("/v1/kv/short")).body).not.toContain("ExpiresAt");
});

test("a watcher of a missing key is woken when it comes, and not by its neighbours", async () => {
  const catalog = await withKeys("a/b");
  const { index } = await catalog.get("/v1/kv/a");
  let isAnswered = false;
  const watcher = catalog.get(`/v1/kv/a?index=${index}&wait=20s`).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await eventually("the watcher to wait", () => catalog.state.watches.watchCount() === 1);
  await catalog.send("PUT", "/v1/kv/a/b", "y");
  await catalog.send("PUT", "/v1/kv/aa", "y");
  await catalog.send("DELETE", "/v1/kv/a/b");
  expect(isAnswered).toBe(false);
  await catalog.send("PUT", "/v1/kv/a", "z");
  expect(await watcher).toMatchObject({ status: 200, json: [{ Key: "a", Value: "eg==" }] });
});

test("a watcher of a prefix sees the deletion of its last key, and keeps its index when tombstones are forgotten", async () => {
  const catalog = await withKeys("p/a", "p/b");
  const first = await catalog.get("/v1/kv/p/?recurse");
  const watcher = catalog.get(`/v1/kv/p/?recurse&index=${first.index}&wait=20s`);
  await eventually("the watcher to wait", () => catalog.state.watches.watchCount() === 1);
  await catalog.send("DELETE", "/v1/kv/p/b");
  const { index } = await watcher;
  expect(index).toBeGreaterThan(first.index);
  catalog.apply({ type: "kv-reap", index });
  expect((await catalog.get(`/v1/kv/p/?recurse&index=${index}&wait=10ms`)).index).toBe(index);
});

test("a key that would be cleaned on its way to the leader is refused where it is asked, and read as it is", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  const { app } = cluster.server("b");
  expect((await sendAsIs(app, "PUT", "/v1/kv/a/%2e%2e/b")).status).toBe(400);
  expect(cluster.forwards).toEqual([]);
  expect((await sendAsIs(app, "PUT", "/v1/kv/b")).status).toBe(200);
  expect((await sendAsIs(app, "GET", "/v1/kv/b")).status).toBe(200);
  expect((await sendAsIs(app, "GET", "/v1/kv/x/%2e%2e/b")).status).toBe(404);
  expect(cluster.forwards.at(-1)?.url).toBe("/v1/kv/x/%2e%2e/b");
});
