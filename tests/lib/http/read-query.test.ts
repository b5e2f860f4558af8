import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { sendJson } from "../../../lib/http/answers.ts";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import { setReadHeaders } from "../../../lib/http/read-headers.ts";
import { parseReadQuery } from "../../../lib/http/read-query.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

async function parse(query: string, random = createSeededRandom(1)): Promise<{ status: number; body: string }> {
  const app = createHttpApp({ runtime: createTestRuntime() });
  app.get("/v1/read", async (request, reply) =>
    sendJson(reply, parseReadQuery(request, { datacenter: "dc1", random })),
  );
  const answer = await app.inject({ url: `/v1/read?${query}` });
  return { status: answer.statusCode, body: answer.body };
}

test("without parameters a read does not block, waits five minutes at most and is the leader's", async () => {
  const noJitter = { ...createSeededRandom(1), float: () => 0 };
  expect(JSON.parse((await parse("", noJitter)).body)).toEqual({
    minIndex: 0,
    waitMs: 300_000,
    consistency: "default",
    hasMaxStale: false,
    isCached: false,
    nodeMeta: {},
    tags: [],
    isOnlyPassing: false,
    near: "",
    filter: "",
    peer: "",
    isMergingCentralConfig: false,
  });
});

test("the wait is capped at ten minutes and gets up to a sixteenth more", async () => {
  const most = { ...createSeededRandom(1), float: () => 0.999_999 };
  const waitMs = async (wait: string): Promise<number> => JSON.parse((await parse(`wait=${wait}`, most)).body).waitMs;
  expect(await waitMs("10s")).toBeCloseTo(10_625, 0);
  expect(await waitMs("120000ms")).toBeCloseTo(127_500, 0);
  expect(await waitMs("24h")).toBeCloseTo(637_500, -1);
  expect(await waitMs("0")).toBeCloseTo(318_750, -1);
  expect(await waitMs("-5s")).toBeCloseTo(318_750, -1);
});

test("repeated tags and node-meta pairs are all kept", async () => {
  const parsed = JSON.parse((await parse("tag=A&tag=b%20c&node-meta=k:v:w&node-meta=bare&passing=1&near=_agent")).body);
  expect(parsed).toMatchObject({
    tags: ["a", "b c"],
    nodeMeta: { k: "v:w", bare: "" },
    isOnlyPassing: true,
    near: "_agent",
  });
});

const refusals: readonly (readonly [string, string, number?])[] = [
  ["index=abc", "Invalid index"],
  ["index=-1", "Invalid index"],
  ["index=18446744073709551616", "Invalid index"],
  ["wait=10", "Invalid wait time"],
  ["wait=soon", "Invalid wait time"],
  ["stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."],
  ["max_stale=5s&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."],
  ["cached&consistent", "Cannot specify ?cached with ?consistent, conflicting semantics."],
  ["max_stale=x", 'Invalid max_stale value "x"'],
  ["dc=elsewhere", "No path to datacenter", 500],
  ["dc=dc1&datacenter=elsewhere", "No path to datacenter", 500],
];
for (const [query, message, status = 400] of refusals) {
  test(`?${query} is refused as Consul refuses it`, async () => {
    expect(await parse(query)).toEqual({ status, body: message });
  });
}

test("the largest index that Consul takes is taken", async () => {
  expect((await parse("index=18446744073709551615")).status).toBe(200);
  expect(JSON.parse((await parse("index=42&dc=dc1")).body).minIndex).toBe(42);
});

test("an index of 0 is sent as 1, since 0 means do not block", async () => {
  const app = createHttpApp({ runtime: createTestRuntime() });
  app.get("/v1/read", async (_request, reply) => {
    setReadHeaders(reply, { index: 0, isLeaderKnown: true, lastContactMs: 12.7, consistency: "stale" });
    return sendJson(reply, []);
  });
  expect((await app.inject({ url: "/v1/read" })).headers).toMatchObject({
    "x-consul-index": "1",
    "x-consul-knownleader": "true",
    "x-consul-lastcontact": "12",
    "x-consul-effective-consistency": "stale",
  });
});
