import { expect, test } from "bun:test";
import { createSeededRandom } from "../../lib/base/random.ts";
import type { RegisteredRoute } from "../../lib/api/openapi.ts";
import { registeredRoutes } from "../../lib/http/openapi-route.ts";
import { createTestCatalog, type TestCatalog } from "../server/http/test-catalog.ts";
import { testSeed } from "../proxy/http2/test-seed.ts";
import { apiRequest } from "./api-case.ts";

/**
 * Every route of a server with bodies of its schema's shape, nearly of it and nothing like it, with hostile paths and parameters. No answer is an
 * internal error, none takes long, and a request that is refused has changed nothing. `ATOLL_FUZZ_CASES` sets how many requests a route gets.
 */
const casesPerRoute = Number(process.env["ATOLL_FUZZ_CASES"] ?? 40);
const longestMs = 3_000;
/** Consul says these with 500, and so do we. */
const wordedFailures =
  /No path to datacenter|was not found in the Raft configuration|Failed to create boolean expression evaluator|Keyring is not enabled|invalid session|Missing node registration|duplicate intention found/;

test("no request to any route of a server fails inside, hangs, or changes something although it is refused", async () => {
  const seed = testSeed();
  const random = createSeededRandom(Number(seed));
  const catalog = createTestCatalog();
  await fill(catalog);
  const counts = new Map<string, number>();
  for (const route of registeredRoutes(catalog.app)) {
    for (let i = 0; i < casesPerRoute; i++) await oneCase(catalog, { route, random, seed, counts });
  }
  const summary = [...counts].sort().map(([status, count]) => `${status}: ${count}`);
  process.stdout.write(`ATOLL_TEST_SEED=${seed} ${summary.join(", ")}\n`);
  // The corpus is worth something: much of it gets as far as the routes.
  expect(counts.get("200") ?? 0).toBeGreaterThan(casesPerRoute);
}, 120_000);

interface Case {
  readonly route: RegisteredRoute;
  readonly random: ReturnType<typeof createSeededRandom>;
  readonly seed: string;
  readonly counts: Map<string, number>;
}

async function oneCase(catalog: TestCatalog, { route, random, seed, counts }: Case): Promise<void> {
  const request = apiRequest(route, random);
  const isWrite = route.method !== "GET";
  const before = isWrite ? fingerprint(catalog) : "";
  const startedMs = performance.now();
  const { method, url, body } = request;
  const answer = await catalog.app.inject({
    method: method as "GET",
    url,
    ...(body !== undefined && { payload: body }),
  });
  const told = `ATOLL_TEST_SEED=${seed}: ${method} ${url.slice(0, 300)} ${body?.subarray(0, 600).toString() ?? ""}: ${answer.statusCode} ${answer.body.slice(0, 300)}`;
  counts.set(`${answer.statusCode}`, (counts.get(`${answer.statusCode}`) ?? 0) + 1);
  if (performance.now() - startedMs > longestMs) throw new Error(`took too long: ${told}`);
  if (answer.statusCode >= 500 && !wordedFailures.test(answer.body)) throw new Error(told);
  if (isWrite && answer.statusCode >= 400 && fingerprint(catalog) !== before) {
    throw new Error(`refused, and changed something: ${told}`);
  }
  if (Object.hasOwn(Object.prototype, "isAdmin")) throw new Error(`changed every object: ${told}`);
}

/** Every row, and so every index. */
function fingerprint({ state }: TestCatalog): string {
  return JSON.stringify([...state.dump()]);
}

/** Something for every read to find. */
async function fill(catalog: TestCatalog): Promise<void> {
  const register = { Node: "node1", Address: "10.0.0.1", Service: { Service: "web", Port: 80, Tags: ["a"] } };
  await catalog.send("PUT", "/v1/catalog/register", register);
  await catalog.send("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "http" });
  await catalog.send("PUT", "/v1/connect/intentions/exact?source=web&destination=api", { Action: "allow" });
}
