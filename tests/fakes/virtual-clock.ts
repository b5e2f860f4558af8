import type { Clock, Timer } from "../../lib/base/clock.ts";

/** Time that stands still until a test moves it. */
export interface VirtualClock extends Clock {
  /** Runs every timer due within the next `ms`, in order, and lets promises settle after each of them. */
  advance(ms: number): Promise<void>;
  /** Moves the time and runs nothing, as for a process that stands still. What is due then runs, late, with the next `advance`. */
  stall(ms: number): void;
  pendingTimers(): number;
}

interface Entry {
  readonly dueMs: number;
  readonly callback: () => void;
}

export function createVirtualClock(startMs: number): VirtualClock {
  let nowMs = startMs;
  const entries = new Set<Entry>();
  const nextDue = (untilMs: number): Entry | undefined =>
    [...entries].filter((entry) => entry.dueMs <= untilMs).toSorted((a, b) => a.dueMs - b.dueMs)[0];
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    after(delayMs, callback): Timer {
      const entry = { dueMs: nowMs + Math.max(0, delayMs), callback };
      entries.add(entry);
      return { cancel: () => entries.delete(entry) };
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let due = nextDue(untilMs); due !== undefined; due = nextDue(untilMs)) {
        entries.delete(due);
        nowMs = Math.max(nowMs, due.dueMs);
        due.callback();
        await settle();
      }
      nowMs = untilMs;
    },
    stall(ms) {
      nowMs += ms;
    },
    pendingTimers: () => entries.size,
  };
}

/** Lets everything that waits for resolved promises only run to its next real wait. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
