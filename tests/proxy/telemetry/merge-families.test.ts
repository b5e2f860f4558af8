import { expect, test } from "bun:test";
import type { Family } from "../../../proxy/telemetry/exposition.ts";
import { countersOf, keepBudgeted, keepListeners, mergeFamilies } from "../../../proxy/telemetry/merge-families.ts";

const series = (listener: string, value: number, suffix?: string) => ({
  labels: { listener },
  value,
  ...(suffix === undefined ? {} : { suffix }),
});

function family(name: string, samples: Family["samples"], rest: Partial<Family> = {}): Family {
  return { name, help: name, type: "counter", samples, ...rest };
}

test("counters and buckets of several processes are added, series that one of them has alone are kept", () => {
  const own = [family("requests", [series("a", 1), series("a", 3, "_count")])];
  const others = [
    [family("requests", [series("a", 10), series("b", 5)])],
    [family("requests", [series("a", 100), series("a", 7, "_count")]), family("unknown", [series("a", 1)])],
  ];
  expect(mergeFamilies(own, others)).toEqual([
    family("requests", [series("a", 111), series("a", 10, "_count"), series("b", 5)]),
  ]);
});

test("what is the same in every process is not added", () => {
  const of = (merge: "max" | "min", value: number) => [family("x", [series("a", value)], { type: "gauge", merge })];
  expect(mergeFamilies(of("max", 3), [of("max", 4)])[0]?.samples).toEqual([series("a", 4)]);
  expect(mergeFamilies(of("min", 3), [of("min", 2)])[0]?.samples).toEqual([series("a", 2)]);
});

test("a listener that drains while its address is taken again is one series", () => {
  expect(mergeFamilies([family("requests", [series("a", 2), series("a", 3)])], [])[0]?.samples).toEqual([
    series("a", 5),
  ]);
});

test("of a process that is gone its counters stay, for the listeners that are still there", () => {
  const gone = [
    family("requests", [series("a", 1), series("b", 2)]),
    family("open", [series("a", 3)], { type: "gauge" }),
  ];
  const counters = countersOf(gone);
  expect(counters.map(({ name }) => name)).toEqual(["requests"]);
  expect(keepListeners(counters, [family("requests", [series("b", 0)])])[0]?.samples).toEqual([series("b", 2)]);
});

test("of a process that is gone, series of a budget stay only while another process has them", () => {
  const gone = [
    family("golden", [series("a", 1), series("b", 2)], { isBudgeted: true }),
    family("x", [series("b", 3)]),
  ];
  const live = [[family("golden", [])], [family("golden", [series("a", 5)])]];
  expect(keepBudgeted(gone, live).map(({ samples }) => samples)).toEqual([[series("a", 1)], [series("b", 3)]]);
});
