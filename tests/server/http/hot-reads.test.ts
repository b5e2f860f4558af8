import { afterEach, beforeEach, expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { listenHttp } from "../../../lib/http/listen.ts";
import { createTestCatalog, instanceBody, type TestCatalog } from "./test-catalog.ts";

/** Requests over real sockets, asked often enough to be answered without the router. */
let catalog: TestCatalog;
let base: string;

const service = "/v1/health/service/web";
const urls = [
  service,
  `${service}?stale`,
  `${service}?passing&tag=v1`,
  `${service}?pretty`,
  `${service}?filter=Node.Node==n1`,
  "/v1/catalog/service/web",
  "/v1/catalog/services",
  "/v1/catalog/nodes",
  "/v1/catalog/node/n1",
  "/v1/health/state/any",
];

beforeEach(async () => {
  catalog = createTestCatalog();
  const { port } = await listenHttp(catalog.app, { host: "127.0.0.1", port: 0 });
  base = `http://127.0.0.1:${port}`;
  for (let n = 0; n < 6; n++) await register(`n${n}`, "web", ["v1"]);
});

afterEach(() => catalog.app.close());

async function register(node: string, name: string, tags: readonly string[] = []): Promise<void> {
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node, service: name, tags }));
}

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function get(url: string, headers: Record<string, string> = { "accept-encoding": "identity" }): Promise<Got> {
  const answer = await fetch(base + url, { headers, decompress: false });
  const { date: _, ...rest } = Object.fromEntries(answer.headers);
  return { status: answer.status, headers: rest, body: Buffer.from(await answer.arrayBuffer()).toString("latin1") };
}

/** Asked so often that it is answered by what was kept. */
async function hot(url: string): Promise<Got> {
  for (let n = 0; n < 3; n++) await get(url);
  return await get(url);
}

/** What the router answers: a body that means nothing keeps a request from being answered without it. */
async function routed(url: string): Promise<Got> {
  return await get(url, { "accept-encoding": "identity", "x-consul-namespace": "" });
}

async function routedCount(): Promise<number> {
  const text = await catalog.runtime.metrics.metrics();
  return [...text.matchAll(/atoll_agent_http_requests_total\{[^}]*method="GET"[^}]*\} (\d+)/g)].reduce(
    (total, [, count]) => total + Number(count),
    0,
  );
}

test("an answer given without the router is the one that the router gives, head and body", async () => {
  for (const url of urls) {
    const expected = await routed(url);
    expect(expected.status).toBe(200);
    for (let n = 0; n < 4; n++) expect(await get(url)).toEqual(expected);
  }
});

test("every write shows in the next answer, and only what it changed moves its index", async () => {
  const before = new Map<string, Got>();
  for (const url of urls) before.set(url, await hot(url));
  await register("n9", "other");
  for (const url of urls) expect(await get(url)).toEqual(await routed(url));
  expect(await get(service)).toEqual(before.get(service) ?? fail());
  await register("n9", "web", ["v1"]);
  for (const url of urls) {
    const expected = await routed(url);
    expect(await get(url)).toEqual(expected);
    if (url.startsWith(service) && !url.includes("filter")) expect(expected.body).not.toBe(before.get(url)?.body ?? "");
  }
});

test("the index of what is not there follows the router's", async () => {
  const url = "/v1/health/service/none";
  await hot(url);
  await register("n0", "gone");
  await catalog.send("PUT", "/v1/catalog/deregister", { Node: "n0", ServiceID: "gone" });
  expect(await get(url)).toEqual(await routed(url));
});

test("a server without a leader refuses what must be new and answers what may be stale", async () => {
  await hot(service);
  await hot(`${service}?stale`);
  catalog.loseLeader();
  expect(await get(service)).toMatchObject({ status: 500, body: "No cluster leader" });
  expect(await get(`${service}?stale`)).toMatchObject({
    status: 200,
    headers: { "x-consul-knownleader": "false", "x-consul-lastcontact": "1234" },
  });
});

test("what the router refuses is refused, however hot the URL is", async () => {
  await hot(service);
  expect((await get(service, { "x-consul-namespace": "team" })).status).toBe(400);
  expect((await get(service, { "x-consul-partition": "p" })).status).toBe(400);
  expect((await fetch(base + service, { method: "HEAD" })).status).toBe(405);
  expect((await fetch(base + service, { method: "POST", body: "{}" })).status).toBe(405);
  expect((await get(service)).status).toBe(200);
});

test("it is compressed for those who want it so", async () => {
  const plain = await hot(service);
  for (let n = 0; n < 2; n++) {
    const zipped = await get(service, { "accept-encoding": "gzip" });
    expect(zipped.headers).toMatchObject({ "content-encoding": "gzip", vary: "Accept-Encoding" });
    expect(gunzipSync(Buffer.from(zipped.body, "latin1")).toString("latin1")).toBe(plain.body);
  }
});

test("each is counted under its route", async () => {
  const before = await routedCount();
  await hot(service);
  expect(await routedCount()).toBe(before + 4);
  const text = await catalog.runtime.metrics.metrics();
  expect(text).toContain('method="GET",route="/v1/health/service/:service",status="200"');
});

function fail(): never {
  throw new Error("not asked before");
}
