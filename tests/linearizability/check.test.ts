import { expect, test } from "bun:test";
import { checkLinearizable } from "./check.ts";
import type { Operation } from "./history.ts";
import { mutateRead, randomHistory } from "./random-history.ts";
import { type RegisterInput, type RegisterOutput, registerKey, registerModel } from "./register-model.ts";

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

const read = (client: number, [call, end]: readonly [number, number], value: string | null): RegisterOperation => ({
  client,
  call,
  return: end,
  input: { type: "read", key: "k" },
  output: { type: "value", value },
});
const write = (client: number, [call, end]: readonly [number, number], value: string): RegisterOperation => {
  const input: RegisterInput = { type: "write", key: "k", value };
  if (end === Number.POSITIVE_INFINITY) return { client, call, return: end, input };
  return { client, call, return: end, input, output: { type: "done", isApplied: true } };
};
const cas = (options: {
  readonly client: number;
  readonly time: readonly [number, number];
  readonly change: readonly [string | null, string];
  readonly isApplied?: boolean;
}): RegisterOperation => {
  const [expected, value] = options.change;
  const input: RegisterInput = { type: "cas", key: "k", expected, value };
  const [call, end] = options.time;
  if (options.isApplied === undefined) return { client: options.client, call, return: end, input };
  const output: RegisterOutput = { type: "done", isApplied: options.isApplied };
  return { client: options.client, call, return: end, input, output };
};

function outcomeOf(history: readonly RegisterOperation[]): string {
  return checkLinearizable(registerModel, history, { partition: registerKey }).outcome;
}

test("an empty history and one that happens in order are linearizable", () => {
  expect(outcomeOf([])).toBe("linearizable");
  expect(outcomeOf([read(1, [0, 1], null), write(1, [2, 3], "a"), read(2, [4, 5], "a")])).toBe("linearizable");
});

test("a read beside a write may see the old value or the new one", () => {
  expect(outcomeOf([write(1, [0, 10], "a"), read(2, [1, 2], null), read(2, [3, 4], "a")])).toBe("linearizable");
});

test("a new value that is followed by the old one is a violation", () => {
  expect(outcomeOf([write(1, [0, 10], "a"), read(2, [1, 2], "a"), read(3, [3, 4], null)])).toBe("violation");
});

test("a read that misses an acknowledged write is a violation", () => {
  expect(outcomeOf([write(1, [0, 1], "a"), read(2, [2, 3], null)])).toBe("violation");
});

test("a value that nobody wrote is a violation", () => {
  expect(outcomeOf([write(1, [0, 1], "a"), read(2, [0, 3], "b")])).toBe("violation");
});

test("operations that touch in one instant are concurrent", () => {
  expect(outcomeOf([write(1, [0, 5], "a"), read(2, [5, 6], null)])).toBe("linearizable");
  expect(outcomeOf([write(1, [0, 5], "a"), read(2, [5.001, 6], null)])).toBe("violation");
});

test("of two compare-and-sets from the same value only one may be applied", () => {
  const first = cas({ client: 1, time: [0, 5], change: [null, "a"], isApplied: true });
  const second = (isApplied: boolean) => cas({ client: 2, time: [1, 6], change: [null, "b"], isApplied });
  expect(outcomeOf([first, second(false)])).toBe("linearizable");
  expect(outcomeOf([first, second(true)])).toBe("violation");
});

test("a compare-and-set that failed although its value was there is a violation", () => {
  const failed = cas({ client: 2, time: [2, 3], change: ["a", "b"], isApplied: false });
  expect(outcomeOf([write(1, [0, 1], "a"), failed])).toBe("violation");
});

test("a write of unknown outcome may appear late, once, or never, but not before its call", () => {
  const lost = write(1, [2, Number.POSITIVE_INFINITY], "x");
  expect(outcomeOf([lost, read(2, [3, 4], null), read(2, [90, 91], "x")])).toBe("linearizable");
  expect(outcomeOf([lost, read(2, [3, 4], null), read(2, [90, 91], null)])).toBe("linearizable");
  expect(outcomeOf([read(2, [0, 1], "x"), lost])).toBe("violation");
  const again = [lost, read(2, [3, 4], "x"), write(2, [5, 6], "y"), read(2, [7, 8], "x")];
  expect(outcomeOf(again)).toBe("violation");
});

test("a compare-and-set of unknown outcome explains only what it could have done", () => {
  const lost = cas({ client: 1, time: [2, Number.POSITIVE_INFINITY], change: ["a", "b"] });
  expect(outcomeOf([write(2, [0, 1], "a"), lost, read(2, [3, 4], "b")])).toBe("linearizable");
  expect(outcomeOf([write(2, [0, 1], "c"), lost, read(2, [3, 4], "b")])).toBe("violation");
});

test("a read without an answer says nothing", () => {
  const lost: RegisterOperation = { client: 1, call: 0, return: Infinity, input: { type: "read", key: "k" } };
  expect(outcomeOf([lost, read(2, [1, 2], null)])).toBe("linearizable");
});

test("keys are judged apart and the broken one is named with what does not fit", () => {
  const other: RegisterOperation = {
    client: 3,
    call: 4,
    return: 5,
    input: { type: "read", key: "other" },
    output: { type: "value", value: "ghost" },
  };
  const verdict = checkLinearizable(registerModel, [write(1, [0, 1], "a"), read(2, [2, 3], "a"), other], {
    partition: registerKey,
  });
  expect(verdict).toMatchObject({ outcome: "violation", key: "other" });
  if (verdict.outcome === "linearizable") throw new Error("unreachable");
  expect(verdict.explanation).toContain("ghost");
});

test("twenty unknown writes beside reads of all of them are decided in few steps", () => {
  const lost = Array.from({ length: 20 }, (_, n) => write(n, [0, Number.POSITIVE_INFINITY], `v${n}`));
  const reads = Array.from({ length: 20 }, (_, n) => read(100, [10 + 2 * n, 11 + 2 * n], `v${n}`));
  const verdict = checkLinearizable(registerModel, [...lost, ...reads], { maxSteps: 20_000 });
  expect(verdict.outcome).toBe("linearizable");
  // The value of the first read comes back: one write cannot have happened twice.
  const bad = checkLinearizable(registerModel, [...lost, ...reads, read(100, [100, 101], "v0")], {
    maxSteps: 500_000,
  });
  expect(bad.outcome).toBe("violation");
});

test("a bound that is hit is unknown, not linearizable", () => {
  const history = randomHistory({ seed: 7, clients: 8, operations: 400, keys: 1, unknownShare: 0 });
  expect(checkLinearizable(registerModel, history, { maxSteps: 10 }).outcome).toBe("unknown");
  expect(checkLinearizable(registerModel, history, { timeoutMs: -1 }).outcome).toBe("unknown");
});

test("an operation that ends before it begins is refused", () => {
  expect(() => outcomeOf([read(1, [5, 4], null)])).toThrow("returned before its call");
});

test("random histories of a correct register are linearizable, and not with one read changed", () => {
  const from = Number(process.env["ATOLL_SEED"] ?? 1);
  for (let seed = from; seed < from + 150; seed++) {
    const history = randomHistory({ seed, clients: 6, operations: 200, keys: 3, unknownShare: 0.05 });
    const verdict = checkLinearizable(registerModel, history, { partition: registerKey });
    expect({ seed, outcome: verdict.outcome }).toEqual({ seed, outcome: "linearizable" });
    const mutated = mutateRead(history, seed);
    const judged = checkLinearizable(registerModel, mutated, { partition: registerKey });
    expect({ seed, outcome: judged.outcome }).toEqual({ seed, outcome: "violation" });
  }
});

test("a thousand operations of eight clients on one key are decided within a second", () => {
  const history = randomHistory({ seed: 3, clients: 8, operations: 1_000, keys: 1, unknownShare: 0.01 });
  const startMs = performance.now();
  expect(outcomeOf(history)).toBe("linearizable");
  expect(performance.now() - startMs).toBeLessThan(1_000);
});
