import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { createMultiMap } from "../../../server/state/multi-map.ts";

test("whatever is added, replaced and removed, each key has the values that a map of sets has", () => {
  const random = createSeededRandom(11);
  const pick = (count: number): string => String(Math.floor(random.float() * count));
  const map = createMultiMap<string>();
  const model = new Map<string, Set<string>>();
  for (let step = 0; step < 5_000; step++) {
    const [key, value, by] = [pick(5), pick(4), pick(4)];
    const values = model.get(key) ?? new Set<string>();
    const roll = random.float();
    if (roll < 0.45) {
      map.add(key, value);
      values.add(value);
    } else if (roll < 0.55 && values.has(value)) {
      map.replace(key, value, by);
      values.delete(value);
      values.add(by);
    } else {
      map.remove(key, value);
      values.delete(value);
    }
    if (values.size > 0) model.set(key, values);
    else model.delete(key);
    expect([...map.get(key)].toSorted()).toEqual([...values].toSorted());
    expect(map.has(key)).toBe(values.size > 0);
  }
  expect([...map.keys()].toSorted()).toEqual([...model.keys()].toSorted());
});
