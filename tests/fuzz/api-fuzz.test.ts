import { expect, test } from "bun:test";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { startTestAgentApp } from "../agent/http/test-agent-app.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createSeededRandom } from "../../lib/base/random.ts";
import type { RegisteredRoute } from "../../lib/api/openapi.ts";
import { registeredRoutes } from "../../lib/http/openapi-route.ts";
import { createRoot } from "../../server/ca/root.ts";
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
  /no server (?:can be reached|in this test)|No path to datacenter|was not found in the Raft configuration|Failed to create boolean expression evaluator|Keyring is not enabled|invalid session|Missing node registration|duplicate intention found/;

test("no request to any route of a server fails inside, hangs, or changes something although it is refused", async () => {
  const seed = testSeed();
  const random = createSeededRandom(Number(seed));
  const catalog = createTestCatalog();
  catalog.apply({ type: "ca-initialize", root: createRoot(catalog.runtime) });
  await fill(catalog);
  const counts = new Map<string, number>();
  // Every row, and so every index.
  const target = { app: catalog.app, fingerprint: () => JSON.stringify([...catalog.state.dump()]) };
  for (const route of registeredRoutes(catalog.app)) {
    for (let i = 0; i < casesPerRoute; i++) await oneCase(target, { route, random, seed, counts });
  }
  process.stdout.write(`ATOLL_TEST_SEED=${seed} ${told(counts)}\n`);
  // The corpus is worth something: much of it gets as far as the routes.
  expect(counts.get("200") ?? 0).toBeGreaterThan(casesPerRoute);
}, 120_000);

/** As without a server. */
async function away(): Promise<never> {
  throw new AtollError("UNAVAILABLE", "no server can be reached");
}

/** Those that go on until their client has enough of them. */
const endless = ["/v1/agent/monitor", "/v1/agent/metrics/stream"];

test("no request to any route of an agent fails inside, hangs, or changes something although it is refused", async () => {
  const seed = testSeed();
  const random = createSeededRandom(Number(seed));
  using dir = createTempDir();
  const agent = await startTestAgentApp({
    dataDir: dir.path,
    certificates: { leaf: away, caRoots: away },
    intentions: away,
  });
  await agent.call("PUT", "/v1/agent/service/register", { Name: "web", Port: 80, Check: { TTL: "1h" } });
  const counts = new Map<string, number>();
  const target = {
    app: agent.app,
    fingerprint: () => JSON.stringify([[...agent.agent.state.services()], [...agent.agent.state.checks()]]),
  };
  for (const route of registeredRoutes(agent.app).filter(({ url }) => !endless.includes(url))) {
    for (let i = 0; i < casesPerRoute; i++) await oneCase(target, { route, random, seed, counts });
  }
  await agent.stop();
  process.stdout.write(`ATOLL_TEST_SEED=${seed} ${told(counts)}\n`);
  expect(counts.get("200") ?? 0).toBeGreaterThan(casesPerRoute);
}, 120_000);

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort()
    .map(([status, count]) => `${status}: ${count}`)
    .join(", ");
}

/** What is asked, and how to tell that it has changed. */
interface FuzzTarget {
  readonly app: HttpApp;
  fingerprint(): string;
}

interface Case {
  readonly route: RegisteredRoute;
  readonly random: ReturnType<typeof createSeededRandom>;
  readonly seed: string;
  readonly counts: Map<string, number>;
}

async function oneCase(target: FuzzTarget, { route, random, seed, counts }: Case): Promise<void> {
  const request = apiRequest(route, random);
  const isWrite = route.method !== "GET";
  const before = isWrite ? target.fingerprint() : "";
  const startedMs = performance.now();
  const { method, url, body } = request;
  const answer = await target.app.inject({
    method: method as "GET",
    url,
    ...(body !== undefined && { payload: body }),
  });
  const exchange = `ATOLL_TEST_SEED=${seed}: ${method} ${url.slice(0, 300)} ${body?.subarray(0, 600).toString() ?? ""}: ${answer.statusCode} ${answer.body.slice(0, 300)}`;
  counts.set(`${answer.statusCode}`, (counts.get(`${answer.statusCode}`) ?? 0) + 1);
  if (performance.now() - startedMs > longestMs) throw new Error(`took too long: ${exchange}`);
  const isHealth = answer.statusCode === 503 && route.url.startsWith("/v1/agent/health/");
  if (answer.statusCode >= 500 && !isHealth && !wordedFailures.test(answer.body)) throw new Error(exchange);
  if (isWrite && answer.statusCode >= 400 && target.fingerprint() !== before) {
    throw new Error(`refused, and changed something: ${exchange}`);
  }
  if (Object.hasOwn(Object.prototype, "isAdmin")) throw new Error(`changed every object: ${exchange}`);
}

/** Something for every read to find. */
async function fill(catalog: TestCatalog): Promise<void> {
  const register = { Node: "node1", Address: "10.0.0.1", Service: { Service: "web", Port: 80, Tags: ["a"] } };
  await catalog.send("PUT", "/v1/catalog/register", register);
  await catalog.send("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "http" });
  await catalog.send("PUT", "/v1/connect/intentions/exact?source=web&destination=api", { Action: "allow" });
}
