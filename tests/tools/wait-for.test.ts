import { expect, test } from "bun:test";
import { waitFor } from "../../tools/wait-for.ts";

test("waitFor gives what it looked for, after errors and empty looks", async () => {
  let looks = 0;
  const found = await waitFor("the third look", { timeoutMs: 5_000 }, async () => {
    looks++;
    if (looks === 1) throw new Error("not there");
    return looks === 3 ? "here" : undefined;
  });
  expect(found).toBe("here");
});

test("waitFor says what it waited for and the last error when the time is up", async () => {
  const waiting = waitFor("a leader", { timeoutMs: 1 }, () => Promise.reject(new Error("connection refused")));
  await expect(waiting).rejects.toThrow("a leader: not within 1 ms; last error: connection refused");
});

test("waitFor ends with the reason of its signal", async () => {
  const signal = AbortSignal.abort(new Error("the agent crashed"));
  await expect(waitFor("a leader", { timeoutMs: 5_000, signal }, async () => undefined)).rejects.toThrow(
    "the agent crashed",
  );
});
