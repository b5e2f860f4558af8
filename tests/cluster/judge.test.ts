import { expect, test } from "bun:test";
import { findStaleReads, judge } from "./judge.ts";
import type { ClientOperation, WorkloadRecord } from "./workload.ts";

const write = (call: number, end: number, value: string): ClientOperation => ({
  client: 1,
  call,
  return: end,
  input: { type: "write", key: "k", value },
  output: { type: "done", isApplied: true },
});
const read = (call: number, end: number, value: string | null): ClientOperation => ({
  client: 2,
  call,
  return: end,
  input: { type: "read", key: "k" },
  output: { type: "value", value },
});
const recordOf = (operations: readonly ClientOperation[], distinct: ReadonlyMap<string, string>): WorkloadRecord => ({
  operations,
  distinct,
  onceServices: [],
  acknowledged: 0,
  unknown: 0,
  refused: 0,
});

test("a read that misses an acknowledged write is stale, one beside it is not", () => {
  expect(findStaleReads([write(0, 1, "a"), read(2, 3, null)])).toHaveLength(1);
  expect(findStaleReads([write(0, 1, "a"), write(2, 5, "b"), read(4, 6, "a")])).toHaveLength(0);
  expect(findStaleReads([write(0, 1, "a"), write(2, 5, "b"), read(6, 7, "a")])).toHaveLength(1);
});

test("a stale read is a violation too", () => {
  const judgement = judge(recordOf([write(0, 1, "a"), read(2, 3, null)], new Map()), new Map());
  expect(judgement.violation).toStartWith("violation of k");
});

test("an acknowledged node that is gone or has another value is lost", () => {
  const distinct = new Map([
    ["kept", "1"],
    ["gone", "2"],
    ["changed", "3"],
  ]);
  const found = new Map([
    ["kept", "1"],
    ["changed", "4"],
    ["never acknowledged", "5"],
  ]);
  const judgement = judge(recordOf([], distinct), found);
  expect(judgement.lost).toEqual(["gone", "changed"]);
  expect(judgement.violation).toBe("");
});
