import { expect, test } from "bun:test";
import { OpenStreams } from "../../../proxy/http2/open-streams.ts";
import { createRng } from "../../sim/random.ts";
import { testSeed } from "./test-seed.ts";

interface One {
  readonly id: number;
}

const idsOf = (streams: readonly One[]): number[] => streams.map(({ id }) => id);

test("streams that come and go are found as in a map, however many and however old", () => {
  const seed = testSeed();
  const rng = createRng(seed);
  const streams = new OpenStreams<One>();
  const model = new Map<number, One>();
  let id = -1;
  for (let step = 0; step < 30_000; step++) {
    // Tides of up to some thousands, so that slots grow, fill, and leave old ones behind.
    const wanted = Math.max(0, 3_000 * Math.sin(step / 4_000)) + 40;
    if (model.size < wanted && rng.chance(0.8)) {
      id += 2 * (1 + rng.below(3));
      const one = { id };
      streams.add(one);
      model.set(id, one);
    } else if (model.size > 0) {
      const ids = [...model.keys()];
      // Young ones mostly: that is what leaves old ones.
      const gone = ids[ids.length - 1 - rng.below(Math.min(ids.length, 60))] ?? 0;
      streams.delete(gone);
      model.delete(gone);
    }
    const asked = rng.chance(0.5) ? rng.below(id + 100) : ([...model.keys()][0] ?? 1);
    expect({ seed, step, found: streams.get(asked), size: streams.size }).toEqual({
      ...{ seed, step, found: model.get(asked), size: model.size },
    });
    expect(streams.has(asked)).toBe(model.has(asked));
  }
  expect(idsOf(streams.values())).toEqual([...model.keys()]);
});

test("one that is open for ever costs the others no more slots", () => {
  const streams = new OpenStreams<One>();
  streams.add({ id: 1 });
  for (let id = 3; id < 200_001; id += 2) {
    streams.add({ id });
    expect(streams.get(1)?.id).toBe(1);
    streams.delete(id);
    streams.delete(id);
  }
  expect([idsOf(streams.values()), streams.size]).toEqual([[1], 1]);
});
