import type { Clock } from "../../../lib/base/clock.ts";

/**
 * Calls `onTick` every `tickMs`. After a stall of the event loop (a long collection, a stopped process) what peers sent
 * meanwhile is let in first, and the missed ticks are forgotten but for one: a follower would otherwise see a dead leader
 * in every pause of its own.
 */
export function startTicker(options: { readonly clock: Clock; readonly tickMs: number; readonly onTick: () => void }): {
  close(): void;
} {
  const { clock, tickMs, onTick } = options;
  let isClosed = false;
  let dueMs = clock.monotonicMs() + tickMs;
  const fire = (): void => {
    if (isClosed) return;
    const lateMs = clock.monotonicMs() - dueMs;
    if (lateMs <= tickMs) {
      dueMs += tickMs;
      onTick();
      arm();
      return;
    }
    // One turn of the loop for the sockets, then the one tick.
    dueMs = clock.monotonicMs();
    timer = clock.after(0, fire);
  };
  const arm = (): void => {
    if (!isClosed) timer = clock.after(Math.max(0, dueMs - clock.monotonicMs()), fire);
  };
  let timer = clock.after(tickMs, fire);
  return {
    close() {
      isClosed = true;
      timer.cancel();
    },
  };
}
