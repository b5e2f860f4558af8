import { expect, test } from "bun:test";
import { FaultTerm } from "../../../../proxy/resilience/fault/fault-term.ts";
import { createVirtualClock } from "../../../fakes/virtual-clock.ts";

test("a fault lasts until its moment or for its time, whichever is first, and for ever without", () => {
  const startMs = Date.parse("2026-05-01T12:00:00Z");
  const clock = createVirtualClock(startMs);
  const until = new FaultTerm({ expiresAt: "2026-05-01T14:00:02+02:00" }, clock);
  const during = new FaultTerm({ ttlMs: 3_000 }, clock);
  const both = new FaultTerm({ expiresAt: "2026-05-01T12:00:09Z", ttlMs: 1_000 }, clock);
  const endless = new FaultTerm({}, clock);
  const over = (): boolean[] => [until, during, both, endless].map(({ isOver }) => isOver);
  expect(over()).toEqual([false, false, false, false]);
  clock.stall(999);
  expect(over()).toEqual([false, false, false, false]);
  clock.stall(1);
  expect(over()).toEqual([false, false, true, false]);
  clock.stall(1_000);
  expect(over()).toEqual([true, false, true, false]);
  clock.stall(1_000);
  expect(over()).toEqual([true, true, true, false]);
});
