import { expect, test } from "bun:test";
import { RetryBudget } from "../../../proxy/resilience/retry-budget.ts";

const config = { percent: 20, minConcurrent: 3, minPerSecond: 10 };

function budgetAt(startMs = 0) {
  const time = { nowMs: startMs };
  return { time, budget: new RetryBudget(() => time.nowMs) };
}

function begin(budget: RetryBudget, count: number): void {
  for (let i = 0; i < count; i++) budget.beginRequest();
}

function retriesAllowed(budget: RetryBudget, given = config): number {
  let allowed = 0;
  while (allowed < 1_000_000 && budget.tryBeginRetry(given)) allowed++;
  return allowed;
}

test("a fifth of the requests under way may be retries, and three whatever they are", () => {
  const busy = budgetAt();
  begin(busy.budget, 200);
  expect(retriesAllowed(busy.budget)).toBe(40);
  const quiet = budgetAt();
  begin(quiet.budget, 1);
  expect(retriesAllowed(quiet.budget)).toBe(3);
});

test("a retry that is over leaves its place to another, a request that is over takes its share with it", () => {
  const { budget } = budgetAt();
  begin(budget, 20);
  expect(retriesAllowed(budget)).toBe(4);
  budget.endRetry();
  expect(retriesAllowed(budget)).toBe(1);
  budget.endRetry();
  for (let i = 0; i < 5; i++) budget.endRequest();
  expect(retriesAllowed(budget)).toBe(0);
});

test("of what fails at once a fifth of the last ten seconds may be tried again, and no more", () => {
  const { budget, time } = budgetAt(5_000);
  let sent = 0;
  let retried = 0;
  for (; time.nowMs < 65_000; time.nowMs += 1) {
    budget.beginRequest();
    sent++;
    if (budget.tryBeginRetry(config)) {
      retried++;
      budget.endRetry();
    }
    budget.endRequest();
  }
  expect(retried / sent).toBeGreaterThan(0.19);
  expect(retried / sent).toBeLessThanOrEqual(0.2);
});

test("without requests for ten seconds only the minimum is left, and it comes back", () => {
  const { budget, time } = budgetAt();
  for (let i = 0; i < 10_000; i++) {
    budget.beginRequest();
    budget.endRequest();
  }
  const many = { ...config, minConcurrent: 1_000_000 };
  expect(retriesAllowed(budget, many)).toBe(2_000);
  time.nowMs = 9_999;
  expect(retriesAllowed(budget, many)).toBe(0);
  time.nowMs = 10_000;
  expect(retriesAllowed(budget, many)).toBe(100);
  time.nowMs = 1_000_000;
  expect(retriesAllowed(budget, many)).toBe(100);
});

test("what is sent again as certainly not acted on uses the budget without asking for it", () => {
  const { budget } = budgetAt();
  begin(budget, 1_000);
  for (let i = 0; i < 150; i++) budget.countResend();
  expect(retriesAllowed(budget)).toBe(50);
});
