import { afterAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { eventually } from "../../fakes/eventually.ts";
import { BunPair, type BunPairOptions } from "../bun-pair.ts";

/** Limits that refill so slowly that the test is over before: then every count is exact, however requests race. */
const slowest = 0.0001;
let asked = 0;
const app = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () => {
    asked++;
    return new Response("fine");
  },
});
const pairs: BunPair[] = [];

afterAll(async () => {
  for (const pair of pairs) pair.stop();
  await app.stop(true);
});

function pairWith(options: Omit<BunPairOptions, "app">): BunPair {
  const pair = new BunPair({ app: `127.0.0.1:${app.port}`, ...options });
  pairs.push(pair);
  asked = 0;
  return pair;
}

async function statuses(pair: BunPair, count: number, path = "/"): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  const ask = async (): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${pair.port}${path}`);
    await response.text();
    seen[response.status] = (seen[response.status] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: count }, ask));
  return seen;
}

test.each(["inbound", "outbound"] as const)(
  "an %s limit lets exactly its burst of many at once through",
  async (side) => {
    const pair = pairWith({ [side]: { rateLimit: { requestsPerSecond: slowest, burst: 60 } } });
    expect(await statuses(pair, 200)).toEqual({ 200: 60, 429: 140 });
    expect(asked).toBe(60);
    const at = side === "inbound" ? "callee" : "caller";
    expect(await pair.metric(at, /^atoll_proxy_rate_limit_total\{.*limit="listener",result="allowed"/)).toBe(60);
    expect(await pair.metric(at, /^atoll_proxy_rate_limit_total\{.*limit="listener",result="limited"/)).toBe(140);
    expect(await pair.metric(at, /^atoll_proxy_requests_refused_total\{.*reason="rate_limited"/)).toBe(140);
  },
);

test("limits of both sides, of a route, of some paths and of the caller are all exact together", async () => {
  const rate = (burst: number, more: object = {}) => ({ requestsPerSecond: slowest, burst, ...more });
  const rules = [{ path: { type: "path-prefix", value: "/slow" }, ...rate(7) }];
  const routes = [{ name: "own", match: { path: { type: "exact", value: "/own" } }, rateLimit: rate(5) }];
  const pair = pairWith({
    inbound: { rateLimit: { rules, perIdentity: rate(30) } },
    outbound: { routes, rateLimit: rate(1_000) },
  });
  const [slow, own] = await Promise.all([statuses(pair, 60, "/slow"), statuses(pair, 60, "/own")]);
  expect([slow, own]).toEqual([
    { 200: 7, 429: 53 },
    { 200: 5, 429: 55 },
  ]);
  expect(await statuses(pair, 60)).toEqual({ 200: 18, 429: 42 });
  expect(asked).toBe(30);
});

test("connections beyond the limit are closed, of TCP as of HTTP", async () => {
  const rateLimit = { connections: { perSecond: slowest, burst: 3 } };
  for (const protocol of ["tcp", "http"] as const) {
    const pair = pairWith({ protocol, outbound: { rateLimit } });
    let answered = 0;
    let closed = 0;
    const sockets = Array.from({ length: 10 }, () => {
      const socket = connect(pair.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n"));
      socket.on("data", (bytes) => {
        if (bytes.includes("200 OK")) answered++;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => {
        closed++;
      });
      return socket;
    });
    await eventually("three answers and seven ends", async () => answered === 3 && closed === 7);
    for (const socket of sockets) socket.destroy();
    expect(await pair.metric("caller", /^atoll_proxy_connections_refused_total\{.*reason="rate_limited"/)).toBe(7);
  }
});

test("a gRPC call beyond the limit sees the status that was asked for", async () => {
  for (const [grpcStatus, code] of [
    ["unavailable", "14"],
    ["resource-exhausted", "8"],
  ]) {
    const pair = pairWith({
      protocol: "grpc",
      inbound: { rateLimit: { requestsPerSecond: slowest, burst: 1, grpcStatus } },
    });
    const seen: (string | null)[] = [];
    for (let i = 0; i < 3; i++) {
      const headers = { "content-type": "application/grpc", te: "trailers" };
      const response = await fetch(`http://127.0.0.1:${pair.port}/E/S`, { method: "POST", headers });
      await response.arrayBuffer();
      // The app speaks no HTTP/2: the call that is let through fails, in another way.
      if (response.headers.get("x-envoy-ratelimited") !== null) seen.push(response.headers.get("grpc-status"));
    }
    expect(seen).toEqual([code ?? null, code ?? null]);
  }
});
