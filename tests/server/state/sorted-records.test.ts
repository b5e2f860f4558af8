import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { createSortedRecords } from "../../../server/state/sorted-records.ts";

const seed = Number(process.env["ATOLL_TEST_SEED"] ?? 41);

interface Entry {
  readonly key: string;
  readonly index: number;
}

test(`thousands of keys in many chunks answer as a sorted list does (seed ${seed})`, () => {
  const random = createSeededRandom(seed);
  const letters = ["a", "b", "/", "é", "z"];
  const word = (length: number): string =>
    Array.from({ length }, () => letters[Math.floor(random.float() * letters.length)] ?? "").join("");
  const records = createSortedRecords<Entry>(({ index }) => index);
  const naive = new Map<string, Entry>();
  const checkPrefix = (prefix: string): void => {
    const keys = [...naive.keys()].filter((key) => key.startsWith(prefix)).sort();
    expect({ prefix, keys: records.keysUnder(prefix, "") }).toEqual({ prefix, keys });
    expect(records.under(prefix).map(({ key }) => key)).toEqual(keys);
    const groups = keys.map((key) => {
      const at = key.indexOf("/", prefix.length);
      return at === -1 ? key : key.slice(0, at + 1);
    });
    expect({ prefix, groups: records.keysUnder(prefix, "/") }).toEqual({ prefix, groups: [...new Set(groups)] });
    const highest = Math.max(0, ...keys.map((key) => naive.get(key)?.index ?? 0));
    expect({ prefix, highest: records.highestUnder(prefix) }).toEqual({ prefix, highest });
    expect(records.hasUnder(prefix)).toBe(keys.length > 0);
  };
  for (let index = 1; index <= 12_000; index++) {
    const roll = random.float();
    const key = word(1 + Math.floor(random.float() * 7));
    if (roll < 0.8) {
      records.set(key, { key, index });
      naive.set(key, { key, index });
    } else if (roll < 0.998) {
      const known = records.keysUnder(key.slice(0, 3), "")[0] ?? key;
      records.delete(known);
      naive.delete(known);
    } else {
      records.deleteUnder(key);
      for (const other of [...naive.keys()]) if (other.startsWith(key)) naive.delete(other);
    }
    if (index % 400 === 0) for (const prefix of ["", "/", "zz", word(1), word(2), word(3)]) checkPrefix(prefix);
  }
  expect(records.size).toBe(naive.size);
  expect(records.size).toBeGreaterThan(2_000);
  expect([...records.all()].map(({ key }) => key)).toEqual([...naive.keys()].sort());
  records.deleteUnder("");
  naive.clear();
  checkPrefix("");
});
