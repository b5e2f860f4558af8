import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";
import { LimitsWorld } from "./limits-world.ts";

interface Rate {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

/** The most that were let through within any span of time, beyond what the rate allows in it; at most 0 when the limit holds. */
function excess(times: readonly number[], { requestsPerSecond, burst }: Rate): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const [i, fromMs] of times.entries()) {
    for (let j = i; j < times.length; j++) {
      const allowed = burst + (((times[j] ?? 0) - fromMs) * requestsPerSecond) / 1_000;
      most = Math.max(most, j - i + 1 - allowed);
    }
  }
  return most;
}

test("whatever comes when, no limit of several lets more through than it may", () => {
  const seed = testSeed();
  withSeed(seed, () => {
    const random = createSeededRandom(Number(seed)).float;
    const rate = (): Rate => ({ requestsPerSecond: 1 + 30 * random(), burst: 1 + Math.floor(15 * random()) });
    for (let round = 0; round < 15; round++) {
      const [listener, slow, each, batch] = [rate(), rate(), rate(), rate()];
      const rules = [{ path: { type: "path-prefix", value: "/slow" }, ...slow }];
      const source = "spiffe://*/ns/default/dc/*/svc/batch";
      const perIdentity = { ...each, overrides: [{ source, ...batch }] };
      const world = new LimitsWorld({ ...listener, countsAll: true, rules, perIdentity });
      const passed = new Map<string, number[]>();
      let refused = 0;
      for (let i = 0; i < 1_500; i++) {
        world.nowMs += random() < 0.02 ? 2_000 * random() : 20 * random() ** 3;
        const caller = ["web", "api", "batch"][Math.floor(3 * random())] ?? "web";
        const path = random() < 0.4 ? "/slow/a" : "/";
        if (world.ask(1, path, { caller }) === 0) {
          refused++;
          continue;
        }
        for (const limit of ["listener", caller, ...(path === "/" ? [] : ["slow"])]) {
          passed.set(limit, [...(passed.get(limit) ?? []), world.nowMs]);
        }
      }
      const limits = { listener, slow, web: each, api: each, batch };
      for (const [name, own] of Object.entries(limits)) {
        expect(excess(passed.get(name) ?? [], own)).toBeLessThanOrEqual(1e-6);
      }
      const { allowed, limited } = world.limits.counts;
      expect(allowed.listener).toBe(passed.get("listener")?.length ?? 0);
      expect(limited.listener + limited.route + limited.identity).toBe(refused);
    }
  });
});
