import { expect, test } from "bun:test";
import { checkLinearizable } from "./check.ts";
import type { Operation } from "./history.ts";
import { randomOf } from "./random-history.ts";
import { type RegisterInput, type RegisterOutput, registerModel } from "./register-model.ts";

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

/** The definition itself: some order of all completed and any unknown operations that respects time and the model. */
function isLinearizable(state: string | null, open: readonly RegisterOperation[]): boolean {
  if (open.every((operation) => operation.return === Infinity)) return true;
  const firstEnd = Math.min(...open.map((operation) => operation.return));
  return open.some((next) => {
    if (next.call > firstEnd) return false;
    const after = registerModel.step(state, next.input, next.output);
    const rest = open.filter((operation) => operation !== next);
    return after !== undefined && isLinearizable(after.state, rest);
  });
}

/** Small, dense, and with answers out of the blue: about half of them are not linearizable. */
function anyHistory(random: () => number): RegisterOperation[] {
  const value = (): string => `v${Math.floor(random() * 2)}`;
  const maybeValue = (): string | null => (random() < 0.2 ? null : value());
  return Array.from({ length: 3 + Math.floor(random() * 5) }, (_, client): RegisterOperation => {
    const call = Math.floor(random() * 10);
    const kind = random();
    const isUnknown = random() < 0.3;
    const times = { client, call, return: isUnknown ? Infinity : call + Math.floor(random() * 8) };
    if (kind < 0.4) {
      const input: RegisterInput = { type: "read", key: "k" };
      return isUnknown ? { ...times, input } : { ...times, input, output: { type: "value", value: maybeValue() } };
    }
    const input: RegisterInput =
      kind < 0.7
        ? { type: "write", key: "k", value: value() }
        : { type: "cas", key: "k", expected: maybeValue(), value: value() };
    const isApplied = input.type === "write" || random() < 0.6;
    return isUnknown ? { ...times, input } : { ...times, input, output: { type: "done", isApplied } };
  });
}

test("small random histories are judged as by trying every order", () => {
  const counts = { good: 0, bad: 0 };
  const from = Number(process.env["ATOLL_SEED"] ?? 1);
  for (let seed = from; seed < from + 4_000; seed++) {
    const history = anyHistory(randomOf(seed));
    const isGood = isLinearizable(registerModel.init(), history);
    counts[isGood ? "good" : "bad"]++;
    const { outcome } = checkLinearizable(registerModel, history);
    expect({ seed, outcome }).toEqual({ seed, outcome: isGood ? "linearizable" : "violation" });
  }
  expect(Math.min(counts.good, counts.bad)).toBeGreaterThan(500);
});
