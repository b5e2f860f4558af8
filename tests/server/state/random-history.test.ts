import { expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { createSeededRandom } from "../../../lib/base/random.ts";
import type { RowChange } from "../../../server/state/row-change.ts";
import { createState } from "../../../server/state/state.ts";
import { applyNaively, createNaiveCatalog } from "./naive-catalog.ts";
import { naiveReads } from "./naive-reads.ts";
import { randomCommand, randomNames, randomNodes } from "./random-commands.ts";
import { createStateHarness, readsOf } from "./state-harness.ts";

/** ATOLL_TEST_SEED replays one history; its failure message names the seed. */
const seeds =
  process.env["ATOLL_TEST_SEED"] === undefined
    ? Array.from({ length: 15 }, (_, i) => 7001 + i)
    : [Number(process.env["ATOLL_TEST_SEED"])];
const commandsPerHistory = 250;

for (const seed of seeds) {
  test(`every read equals a recomputation from scratch after each command (seed ${seed})`, () => {
    const random = createSeededRandom(seed);
    const harness = createStateHarness();
    const oracle = createNaiveCatalog();
    const queries = [...readsOf(randomNames, randomNodes)];
    const last = new Map(queries.map(([name, query]) => [name, query(harness.reader)]));
    const woken = new Set<string>();
    for (const [name, query] of queries) {
      harness.state.watches.watch(query(harness.reader).watch, () => woken.add(name));
    }
    for (let step = 0; step < commandsPerHistory; step++) {
      const command = randomCommand(random, (node, id) =>
        oracle.services.some((service) => service.Node === node && service.ID === id),
      );
      const where = `seed ${seed}, command ${step}: ${JSON.stringify(command)}`;
      const dumpBefore = JSON.stringify([...harness.state.dump()]);
      woken.clear();
      const index = harness.accept(command);
      applyNaively(oracle, index, command);
      const expected = naiveReads(oracle, randomNames, randomNodes);
      for (const [name, query] of queries) {
        const read = query(harness.reader);
        const previous = last.get(name);
        last.set(name, read);
        if (!isDeepStrictEqual(read.value, expected.get(name))) {
          expect({ where, name, value: read.value }).toEqual({ where, name, value: expected.get(name) });
        }
        const isChanged = !isDeepStrictEqual(read.value, previous?.value);
        // A changed value has the index of the command and woke its watchers; an index never falls.
        if (isChanged && (read.index !== index || !woken.has(name))) {
          throw new Error(`${where}: ${name} changed with index ${read.index}, woken: ${woken.has(name)}`);
        }
        if (read.index < (previous?.index ?? 0)) throw new Error(`${where}: the index of ${name} fell`);
        if (woken.has(name) && read.index !== index) throw new Error(`${where}: ${name} was woken for nothing`);
      }
      if (woken.size === 0) expect(JSON.stringify([...harness.state.dump()])).toBe(dumpBefore);
    }
  });

  test(`a state restored from its rows is the same state (seed ${seed})`, () => {
    const random = createSeededRandom(seed);
    const harness = createStateHarness();
    const queries = [...readsOf(randomNames, randomNodes)];
    const restored = createStateHarness();
    for (let step = 0; step < commandsPerHistory; step++) {
      harness.apply(randomCommand(random, () => false));
    }
    restored.state.restore(harness.reader.appliedIndex(), harness.storedRows());
    expect([...restored.state.dump()]).toEqual([...harness.state.dump()]);
    expect(restored.reader.appliedIndex()).toBe(harness.reader.appliedIndex());
    for (const [name, query] of queries) {
      const { index, value } = query(harness.reader);
      expect({ name, index: query(restored.reader).index, value: query(restored.reader).value }).toEqual({
        name,
        index,
        value,
      });
    }
    // And it goes on alike: the same commands at the same indexes come to the same.
    const continued = createState();
    continued.restore(harness.reader.appliedIndex(), harness.state.dump());
    for (let step = 1; step <= 50; step++) {
      const command = randomCommand(random, () => false);
      const index = harness.reader.appliedIndex() + step;
      const { result, rows } = continued.apply(index, command);
      const other = restored.state.apply(index, command);
      expect({ result, rows: finalRows(rows) }).toEqual({ result: other.result, rows: finalRows(other.rows) });
    }
    expect([...continued.dump()]).toEqual([...restored.state.dump()]);
  });
}

/** What the rows come to, whatever the order in which tables without an order of their own were walked. */
function finalRows(rows: readonly RowChange[]): [string, unknown][] {
  const final = new Map(rows.map((row) => [`${row.table}/${row.key}`, row.value]));
  return [...final].sort(([a], [b]) => (a < b ? -1 : 1));
}
