import { expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { createState } from "../../../server/state/state.ts";
import { applyNaiveKv, createNaiveKv, type NaiveKv } from "./naive-kv.ts";
import { randomKvCommand, randomKeys, randomPrefixes, randomSessions } from "./random-kv-commands.ts";
import { createStateHarness, type Query } from "./state-harness.ts";

/** ATOLL_TEST_SEED replays one history; its failure message names the seed. */
const seeds =
  process.env["ATOLL_TEST_SEED"] === undefined
    ? Array.from({ length: 12 }, (_, i) => 8101 + i)
    : [Number(process.env["ATOLL_TEST_SEED"])];
const commandsPerHistory = 300;

function queriesOf(): Map<string, Query> {
  const queries = new Map<string, Query>([["sessions", (reader) => reader.sessions()]]);
  for (const key of randomKeys) queries.set(`key ${key}`, (reader) => reader.kvEntry(key));
  for (const prefix of randomPrefixes) {
    queries.set(`list ${prefix}`, (reader) => reader.kvEntries(prefix));
    queries.set(`keys ${prefix}`, (reader) => reader.kvKeys(prefix, ""));
    queries.set(`level ${prefix}`, (reader) => reader.kvKeys(prefix, "/"));
  }
  for (const id of randomSessions) queries.set(`session ${id}`, (reader) => reader.session(id));
  return queries;
}

function naiveAnswers({ entries, sessions }: NaiveKv): Map<string, unknown> {
  const keys = [...entries.keys()].sort();
  const sessionIds = [...sessions.keys()].sort();
  const answers = new Map<string, unknown>([["sessions", sessionIds.map((id) => sessions.get(id))]]);
  for (const key of randomKeys) answers.set(`key ${key}`, entries.get(key));
  for (const prefix of randomPrefixes) {
    const under = keys.filter((key) => key.startsWith(prefix));
    const level = under.map((key) => {
      const at = key.indexOf("/", prefix.length);
      return at === -1 ? key : key.slice(0, at + 1);
    });
    answers.set(
      `list ${prefix}`,
      under.map((key) => entries.get(key)),
    );
    answers.set(`keys ${prefix}`, under);
    answers.set(`level ${prefix}`, [...new Set(level)]);
  }
  for (const id of randomSessions) answers.set(`session ${id}`, sessions.get(id));
  return answers;
}

for (const seed of seeds) {
  test(`keys, locks and transactions equal a recomputation from scratch after each command (seed ${seed})`, () => {
    const random = createSeededRandom(seed);
    const harness = createStateHarness();
    const oracle = createNaiveKv();
    const queries = [...queriesOf()];
    const last = new Map(queries.map(([name, query]) => [name, query(harness.reader)]));
    const woken = new Set<string>();
    for (const [name, query] of queries) {
      harness.state.watches.watch(query(harness.reader).watch, () => woken.add(name));
    }
    for (let step = 0; step < commandsPerHistory; step++) {
      const index = step + 2;
      const command = randomKvCommand(random, oracle, index);
      const where = `seed ${seed}, command ${step}: ${JSON.stringify(command)}`;
      const dumpBefore = JSON.stringify([...harness.state.dump()]);
      woken.clear();
      const result = harness.apply(command);
      const isDone = applyNaiveKv(oracle, index, command);
      if (command.type !== "kv-expire" && command.type !== "kv-reap") {
        expect({ where, isDone: result.ok && result.applied }).toEqual({ where, isDone });
      }
      if (!isDone && JSON.stringify([...harness.state.dump()]) !== dumpBefore) throw new Error(`${where}: left traces`);
      const delays = harness.reader.lockDelays().map(({ key, index: begun }) => [key, begun]);
      expect({ where, delays: Object.fromEntries(delays) }).toEqual({
        where,
        delays: Object.fromEntries(oracle.delays),
      });
      const expected = naiveAnswers(oracle);
      for (const [name, query] of queries) {
        const read = query(harness.reader);
        const previous = last.get(name);
        last.set(name, read);
        if (!isDeepStrictEqual(read.value, expected.get(name))) {
          expect({ where, name, value: read.value }).toEqual({ where, name, value: expected.get(name) });
        }
        const isChanged = !isDeepStrictEqual(read.value, previous?.value);
        if (isChanged && (read.index !== index || !woken.has(name))) {
          throw new Error(`${where}: ${name} changed with index ${read.index}, woken: ${woken.has(name)}`);
        }
        if (read.index >= (previous?.index ?? 0)) continue;
        // Only a list that is not empty may fall, and only when tombstones are forgotten; who saw it does not see that.
        if (command.type !== "kv-reap" || !/^(?:list|keys|level) /.test(name))
          throw new Error(`${where}: ${name} fell`);
        const [, prefix = ""] = /^\S+ (.*)$/.exec(name) ?? [];
        expect(harness.reader.kvEntries(prefix, previous?.index).index).toBe(previous?.index ?? 0);
      }
    }
    const restored = createState();
    restored.restore(harness.reader.appliedIndex(), harness.storedRows());
    expect([...restored.dump()]).toEqual([...harness.state.dump()]);
    for (const [name, query] of queries) {
      const [a, b] = [query(harness.reader), query(restored.reader)];
      expect({ name, index: b.index, value: b.value }).toEqual({ name, index: a.index, value: a.value });
    }
    for (let step = 0; step < 60; step++) {
      const index = harness.reader.appliedIndex() + 1 + step;
      const command = randomKvCommand(random, oracle, index);
      applyNaiveKv(oracle, index, command);
      expect(restored.apply(index, structuredClone(command)).result).toEqual(
        harness.state.apply(index, command).result,
      );
    }
    expect([...restored.dump()]).toEqual([...harness.state.dump()]);
  });
}
