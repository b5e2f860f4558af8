import { expect, test } from "bun:test";
import { CheckedHealth } from "../../../../proxy/resilience/health-check/checked-health.ts";

const thresholds = { healthyThreshold: 2, unhealthyThreshold: 3 };

/** Checks that pass (`+`) or fail (`-`); after each `h` for healthy or `u`, in capitals where it has changed. */
function observe(initialState: "healthy" | "unhealthy", checks: string, given = thresholds): string {
  const health = new CheckedHealth({ initialState });
  return [...checks]
    .map((check) => {
      const isChanged = health.observe(check === "+", given);
      const letter = health.isHealthy ? "h" : "u";
      return isChanged ? letter.toUpperCase() : letter;
    })
    .join("");
}

test("so many failures in a row take an endpoint out, so many passes bring it back", () => {
  expect(observe("healthy", "+---++---")).toBe("hhhUuHhhU");
});

test("what comes between breaks the row", () => {
  expect(observe("healthy", "--+--+---")).toBe("hhhhhhhhU");
  expect(observe("healthy", "---+-+-++")).toBe("hhUuuuuuH");
});

test("one that begins outside is in with its first check, and needs its row from then on", () => {
  expect(observe("unhealthy", "+---++")).toBe("HhhUuH");
  expect(observe("unhealthy", "-+++")).toBe("uuHh");
});

test("thresholds of one change it with every check that says otherwise", () => {
  expect(observe("healthy", "-+-++", { healthyThreshold: 1, unhealthyThreshold: 1 })).toBe("UHUHh");
});
