import { expect, test } from "bun:test";
import { TokenMemory } from "../../../proxy/authz/jwt/token-memory.ts";

test("a memory of tokens holds so many and no more: the oldest make room, and what is said again is new", () => {
  const memory = new TokenMemory<{ readonly untilMs: number }>(3);
  for (const key of ["a", "b", "c", "a", "d", "e"]) memory.set(key, { untilMs: 100 });
  expect(memory.size).toBe(3);
  expect(["a", "b", "c", "d", "e"].filter((key) => memory.get(key, 0) !== undefined)).toEqual(["a", "d", "e"]);
});

test("a memory of tokens forgets each at its time", () => {
  const memory = new TokenMemory<{ readonly untilMs: number }>(3);
  memory.set("a", { untilMs: 100 });
  memory.set("b", { untilMs: 200 });
  expect([memory.get("a", 99)?.untilMs, memory.get("a", 100), memory.get("b", 100)?.untilMs]).toEqual([
    100,
    undefined,
    200,
  ]);
  expect(memory.size).toBe(1);
});
