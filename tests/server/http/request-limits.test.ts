import { expect, test } from "bun:test";
import { withDiscoveryStaleness } from "../../../lib/http/discovery-staleness.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createTestCatalog } from "./test-catalog.ts";

const base64 = (bytes: number): string => Buffer.alloc(bytes, "x").toString("base64");
const setting = (Value: string): object[] => [{ KV: { Verb: "set", Key: "k", Value } }];

test("session_ttl_min is the shortest TTL that is taken", async () => {
  const { send } = createTestCatalog({ limits: { sessionTtlMinMs: 20_000 } });
  await send("PUT", "/v1/catalog/register", { Node: "n1", Address: "10.0.0.1" });
  const create = (TTL: string) => send("PUT", "/v1/session/create", { Node: "n1", NodeChecks: [], TTL });
  expect(await create("19s")).toMatchObject({
    status: 400,
    body: "Invalid Session TTL '19000000000', must be between [20s=24h0m0s]",
  });
  expect((await create("20s")).status).toBe(200);
  const lower = createTestCatalog({ limits: { sessionTtlMinMs: 1_000 } });
  await lower.send("PUT", "/v1/catalog/register", { Node: "n1", Address: "10.0.0.1" });
  expect((await lower.send("PUT", "/v1/session/create", { Node: "n1", NodeChecks: [], TTL: "1s" })).status).toBe(200);
});

test("kv_max_value_size bounds values of keys and of transactions, and what is above is told where it is set", async () => {
  const { send, get } = createTestCatalog({ limits: { kvMaxValueBytes: 700_000 } });
  expect((await send("PUT", "/v1/kv/k", "x".repeat(700_000))).json).toBe(true);
  expect(await send("PUT", "/v1/kv/k", "x".repeat(700_001))).toMatchObject({
    status: 413,
    body: "Request body(700001 bytes) too large, max size: 700000 bytes. See limits.kv_max_value_size.",
  });
  // A value that is allowed is allowed in a transaction as well, as far as its base64 has room.
  expect((await send("PUT", "/v1/txn", setting(base64(520_000)))).status).toBe(200);
  expect((await get("/v1/kv/k?raw")).body).toHaveLength(520_000);
  const smaller = createTestCatalog({ limits: { kvMaxValueBytes: 10 } });
  expect(await smaller.send("PUT", "/v1/txn", setting(base64(11)))).toMatchObject({
    status: 413,
    body: 'Value for key "k" is too large (11 > 10 bytes)',
  });
});

test("txn_max_req_len bounds the bodies of transactions", async () => {
  const { send } = createTestCatalog({ limits: { txnMaxBytes: 600_000 } });
  const body = JSON.stringify([...setting(base64(200_000)), ...setting(base64(249_000))]);
  const padded = (length: number): string => body + " ".repeat(length - body.length);
  expect((await send("PUT", "/v1/txn", padded(600_000))).status).toBe(200);
  expect(await send("PUT", "/v1/txn", padded(600_001))).toMatchObject({
    status: 413,
    body: "Request body(600001 bytes) too large, max size: 600000 bytes. See limits.txn_max_req_len.",
  });
});

test("a blocking query waits as long as the configuration says", async () => {
  const clock = createVirtualClock(0);
  const { get } = createTestCatalog({ clock, limits: { defaultQueryMs: 1_000, maxQueryMs: 3_000 } });
  const { index } = await get("/v1/catalog/nodes");
  for (const [wait, atLeastMs] of [
    ["", 1_000],
    ["&wait=2s", 2_000],
    ["&wait=1h", 3_000],
  ] as const) {
    let isAnswered = false;
    const answer = get(`/v1/catalog/nodes?index=${index}${wait}`).then(() => {
      isAnswered = true;
    });
    await Bun.sleep(0);
    await clock.advance(atLeastMs - 1);
    expect([wait, isAnswered]).toEqual([wait, false]);
    // The jitter is a sixteenth.
    await clock.advance(1 + atLeastMs / 16);
    await answer;
  }
});

test.each([
  ["GET", "/v1/catalog/nodes", "/v1/catalog/nodes?max_stale=40ms"],
  ["GET", "/v1/health/service/web?passing", "/v1/health/service/web?passing&max_stale=40ms"],
  ["GET", "/v1/health/service/web?consistent", undefined],
  ["GET", "/v1/health/service/web?passing&stale", undefined],
  ["GET", "/v1/health/service/web?leader", undefined],
  ["GET", "/v1/health/service/web?max_stale=1s", undefined],
  ["GET", "/v1/health/service/web?cached", undefined],
  ["GET", "/v1/kv/catalog/nodes", undefined],
  ["PUT", "/v1/catalog/register", undefined],
])("with discovery_max_stale %s %s is %s", (method, url, changed) => {
  expect(withDiscoveryStaleness({ method, url }, 40)).toBe(changed ?? url);
});

test("with discovery_max_stale reads of the catalog need no leader, others do", async () => {
  const { get, loseLeader } = createTestCatalog({ limits: { discoveryMaxStaleMs: 10_000 } });
  loseLeader();
  expect((await get("/v1/catalog/nodes")).status).toBe(200);
  expect((await get("/v1/catalog/nodes?leader")).status).toBe(500);
  expect((await get("/v1/kv/k")).status).toBe(500);
});
