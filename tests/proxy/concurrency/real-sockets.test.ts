import { afterAll, expect, test } from "bun:test";
import { eventually } from "../../fakes/eventually.ts";
import { BunPair } from "../bun-pair.ts";

/** An application that answers when it is told to, and knows how many wait. */
const waiting: (() => void)[] = [];
let mostAtOnce = 0;
const app = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    mostAtOnce = Math.max(mostAtOnce, waiting.length);
    await promise;
    return new Response("fine");
  },
});
const pairs: BunPair[] = [];

afterAll(async () => {
  for (const pair of pairs) pair.stop();
  await app.stop(true);
});

test.each(["inbound", "outbound"] as const)(
  "no more requests than the limit of the %s side reach an application, and every place is given back",
  async (side) => {
    const adaptiveConcurrency = { enabled: true, minConcurrency: 5, maxConcurrency: 5, fixedMinRttMs: 1 };
    const pair = new BunPair({ app: `127.0.0.1:${app.port}`, [side]: { adaptiveConcurrency } });
    pairs.push(pair);
    mostAtOnce = 0;
    const at = side === "inbound" ? "callee" : "caller";
    const inFlight = () => pair.metric(at, /^atoll_proxy_concurrency_in_flight\{/);
    for (let round = 1; round <= 3; round++) {
      const seen: Record<string, number> = {};
      const gone = new AbortController();
      const asked = Array.from({ length: 40 }, async (_, i) => {
        // Some go away without their answer.
        const signal = i % 2 === 0 ? gone.signal : undefined;
        const options = signal === undefined ? {} : { signal };
        const status = await fetch(`http://127.0.0.1:${pair.port}/`, options).then(
          ({ status }) => `${status}`,
          () => "gone",
        );
        seen[status] = (seen[status] ?? 0) + 1;
      });
      await eventually("35 refusals", () => seen["503"] === 35);
      expect(await inFlight()).toBe(5);
      await eventually("five at the application", () => waiting.length === 5);
      gone.abort();
      for (const answer of waiting.splice(0)) answer();
      await Promise.all(asked);
      expect((seen["200"] ?? 0) + (seen["gone"] ?? 0)).toBe(5);
      await eventually("every place", async () => (await inFlight()) === 0);
      expect(await pair.metric(at, /^atoll_proxy_requests_refused_total\{.*reason="concurrency_limit"/)).toBe(
        35 * round,
      );
    }
    expect(mostAtOnce).toBe(5);
  },
);
