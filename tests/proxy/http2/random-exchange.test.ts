import { describe, expect, test } from "bun:test";
import { createRng } from "../../sim/random.ts";
import { ExchangeWorld, type WorldOptions } from "./exchange-world.ts";
import { testSeed, withSeed } from "./test-seed.ts";

const maxSteps = 200_000;
const tight = {
  streamWindowBytes: 1000,
  connectionWindowBytes: 65_535,
  maxUnreadBytes: 70_000,
  maxOutputBytes: 20_000,
};
const windowUpdates = { burst: 1e9, perSecond: 1 };
const tables = { tableBytes: 4096, usesHuffman: true };
const plain = { tableBytes: 0, usesHuffman: false };

const worlds: readonly (readonly [string, number, WorldOptions])[] = [
  ["with plenty of room", 20, { requests: 30, maxBody: 300_000, resetChance: 0, hpack: tables }],
  [
    "with hardly any windows",
    40,
    { requests: 12, maxBody: 30_000, resetChance: 0, limits: { ...tight, windowUpdates }, hpack: plain },
  ],
  [
    "with few streams at a time",
    40,
    { requests: 30, maxBody: 50_000, resetChance: 0, limits: { maxConcurrentStreams: 3 }, hpack: tables },
  ],
  ["with streams given up on both sides", 60, { requests: 40, maxBody: 50_000, resetChance: 0.01, hpack: plain }],
];

describe("a client and a server of ours, in random order over a pipe that cuts frames", () => {
  for (const [what, rounds, options] of worlds) {
    test(`lose and mix up nothing ${what}`, () => {
      const seed = testSeed();
      withSeed(seed, () => {
        for (let round = 0; round < rounds; round++) {
          const world = new ExchangeWorld(createRng(`${seed}/${round}`), options);
          expect(world.run(maxSteps)).toEqual([]);
        }
      });
    }, 60_000);
  }
});
