import { describe, expect, test } from "bun:test";
import {
  allVoters,
  quorumValue,
  type VoteResult,
  type VoterSets,
  voteResult,
} from "../../../../server/raft/core/quorum.ts";
import { seededRandom, testSeed } from "./test-seed.ts";

const a = ["a"];
const abc = ["a", "b", "c"];

describe("quorumValue", () => {
  const cases: readonly { name: string; sets: VoterSets; values: Record<string, number>; expected: number }[] = [
    { name: "one voter", sets: { voters: a, outgoing: [] }, values: { a: 7 }, expected: 7 },
    { name: "two voters need both", sets: { voters: ["a", "b"], outgoing: [] }, values: { a: 7, b: 3 }, expected: 3 },
    { name: "three need two", sets: { voters: abc, outgoing: [] }, values: { a: 9, b: 4, c: 1 }, expected: 4 },
    {
      name: "four need three",
      sets: { voters: [...abc, "d"], outgoing: [] },
      values: { a: 9, b: 8, c: 2, d: 1 },
      expected: 2,
    },
    { name: "unknown is nothing", sets: { voters: abc, outgoing: [] }, values: { a: 9 }, expected: 0 },
    {
      name: "joint: the slower majority",
      sets: { voters: ["a", "c", "d"], outgoing: abc },
      values: { a: 9, b: 9, c: 2, d: 1 },
      expected: 2,
    },
  ];
  test.each(cases)("$name", ({ sets, values, expected }) => {
    expect(quorumValue(sets, (node) => values[node] ?? 0)).toBe(expected);
  });

  test("nobody decides nothing", () => {
    expect(quorumValue({ voters: [], outgoing: [] }, () => 1)).toBe(Number.POSITIVE_INFINITY);
  });
});

/** By the definition: the largest value such that a majority of each set has at least it. */
function naiveValue(sets: VoterSets, values: ReadonlyMap<string, number>): number {
  const hasMajority = (voters: readonly string[], value: number): boolean =>
    voters.length === 0 || voters.filter((node) => (values.get(node) ?? 0) >= value).length * 2 > voters.length;
  let best = 0;
  for (let value = 0; value <= 10; value++) {
    if (hasMajority(sets.voters, value) && hasMajority(sets.outgoing, value)) best = value;
  }
  return best;
}

function naiveVote(sets: VoterSets, votes: ReadonlyMap<string, boolean>): VoteResult {
  const of = (voters: readonly string[]): VoteResult => {
    const count = (vote: boolean): number => voters.filter((node) => votes.get(node) === vote).length;
    const open = voters.length - count(true) - count(false);
    if (voters.length === 0 || count(true) * 2 > voters.length) return "won";
    return (count(true) + open) * 2 > voters.length ? "pending" : "lost";
  };
  const both = [of(sets.voters), of(sets.outgoing)];
  if (both.includes("lost")) return "lost";
  return both.includes("pending") ? "pending" : "won";
}

test(`random joint configurations agree with the definition (seed ${testSeed})`, () => {
  const random = seededRandom(testSeed);
  const nodes = ["a", "b", "c", "d", "e", "f", "g"];
  const pick = (chance: number): string[] => nodes.filter(() => random() < chance);
  for (let i = 0; i < 5_000; i++) {
    const voters = pick(0.6);
    const sets = { voters: voters.length === 0 ? a : voters, outgoing: random() < 0.5 ? [] : pick(0.5) };
    const values = new Map(nodes.map((node) => [node, Math.floor(random() * 10)]));
    const votes = new Map(pick(0.7).map((node) => [node, random() < 0.6]));
    const shown = JSON.stringify({ seed: testSeed, sets, values: [...values], votes: [...votes] });
    expect(
      quorumValue(sets, (node) => values.get(node) ?? 0),
      shown,
    ).toBe(naiveValue(sets, values));
    expect(
      voteResult(sets, (node) => votes.get(node)),
      shown,
    ).toBe(naiveVote(sets, votes));
  }
});

test("voters of both sets are named once", () => {
  expect(allVoters({ voters: ["b", "c"], outgoing: ["a", "b"] })).toEqual(["b", "c", "a"]);
});
