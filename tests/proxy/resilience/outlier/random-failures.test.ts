import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { testSeed, withSeed } from "../../http2/test-seed.ts";
import { OutlierWorld } from "./outlier-world.ts";

const rounds = 200;
const steps = 400;

/**
 * Endpoints that fail as chance has it, under settings as chance has them. A second account of who is out is kept from what is told, and
 * compared with the detector's after every step.
 */
test("whatever fails, nobody is out without a reason, for another time or beyond the share", () => {
  const seed = testSeed();
  withSeed(seed, () => {
    for (let round = 0; round < rounds; round++) playOne(Number(seed) + round);
  });
});

function playOne(seed: number): void {
  const random = createSeededRandom(seed).float;
  const below = (limit: number): number => Math.floor(random() * limit);
  const size = 1 + below(12);
  const config = {
    consecutive5xx: below(5),
    consecutiveLocalOriginFailure: below(5),
    splitExternalLocalOriginErrors: below(2) === 1,
    enforcingConsecutive5xx: [0, 50, 100][below(3)] ?? 100,
    enforcingConsecutiveGatewayFailure: [0, 100][below(2)] ?? 100,
    baseEjectionTimeMs: 1_000 * (1 + below(5)),
    maxEjectionTimeMs: 1_000 * (1 + below(12)),
    maxEjectionPercent: below(101),
    intervalMs: 1_000 * (1 + below(10)),
    successRateRequestVolume: 5,
    successRateMinimumHosts: 2,
    probation: below(4) > 0,
  };
  const world = new OutlierWorld(size, config, seed);
  const allowed =
    config.maxEjectionPercent === 0 ? 0 : Math.max(1, Math.floor((size * config.maxEjectionPercent) / 100));
  const longestMs = Math.max(config.baseEjectionTimeMs, config.maxEjectionTimeMs);
  const believed = world.hosts.map(() => ({ state: "in", sinceMs: 0, forMs: 0 }));
  for (let step = 0; step < steps; step++) {
    const i = below(size);
    const before = world.host(i).state;
    const isFailure = random() < 0.6;
    act(world, i, isFailure, below(3));
    const mine = believed[i];
    if (mine === undefined) throw new Error("there is an account of each");
    const told = world.takeTold().map((line) => line.split(" "));
    // One outcome decides about one endpoint, once; about one on probation always, unless there is no place for it outside.
    expect(told.length).toBeLessThanOrEqual(1);
    if (before === "probation")
      expect(told.length === 1 || (isFailure && world.detector.ejectedCount >= allowed)).toBe(true);
    for (const [who, to, reason, forMs] of told) {
      expect(Number(who)).toBe(i);
      if (to === "ejected") {
        expect(isFailure).toBe(true);
        expect(Number(forMs)).toBeLessThanOrEqual(longestMs);
        expect(Number(forMs) % config.baseEjectionTimeMs === 0 || Number(forMs) === longestMs).toBe(true);
        if (reason === "probation") {
          expect(before).toBe("probation");
          // Longer than the one before, or the longest.
          expect(Number(forMs) > mine.forMs || Number(forMs) === longestMs).toBe(true);
        } else {
          expect(before).toBe("in");
        }
        Object.assign(mine, { state: "ejected", sinceMs: world.nowMs, forMs: Number(forMs) });
      } else {
        expect([before, to, isFailure]).toEqual(["probation", "in", false]);
        mine.state = "in";
      }
    }
    if (random() < 0.2) passSecond(world, believed, config.probation);
    const states: string[] = world.hosts.map(({ state }) => state);
    expect(states).toEqual(believed.map(({ state }) => state));
    const ejected = believed.filter(({ state }) => state === "ejected").length;
    expect(ejected).toBeLessThanOrEqual(allowed);
    expect(world.detector.ejectedCount).toBe(ejected);
    expect(world.detector.probationCount).toBe(believed.filter(({ state }) => state === "probation").length);
  }
}

function act(world: OutlierWorld, i: number, isFailure: boolean, kind: number): void {
  const host = world.host(i);
  if (!isFailure) host.onAnswer(kind === 0 ? 404 : 200);
  else if (kind === 0) host.onAnswer(500);
  else if (kind === 1) host.onConnectionFailed();
  else host.onTimeout();
}

interface Believed {
  state: string;
  sinceMs: number;
  forMs: number;
}

function passSecond(world: OutlierWorld, believed: readonly Believed[], hasProbation: boolean): void {
  world.nowMs += 1_000;
  world.detector.sweep();
  for (const [who, to, , forMs] of world.takeTold().map((line) => line.split(" "))) {
    const one = believed[Number(who)];
    if (one === undefined) throw new Error("nobody else is told of");
    if (to === "ejected") {
      // By its success rate, as of now.
      expect(one.state).toBe("in");
      Object.assign(one, { state: "ejected", sinceMs: world.nowMs, forMs: Number(forMs) });
    } else {
      expect(one.state).toBe("ejected");
      expect(to).toBe(hasProbation ? "probation" : "in");
      expect(world.nowMs - one.sinceMs).toBeGreaterThanOrEqual(one.forMs);
      one.state = to ?? "";
    }
  }
  for (const { state, sinceMs, forMs } of believed) {
    if (state === "ejected") expect(world.nowMs - sinceMs).toBeLessThan(forMs);
  }
}
