import type { Clock } from "../../lib/base/clock.ts";
import type { AgentWait, Indexed } from "../agent-api.ts";

/** A value that changes, with an index that grows on every change: what blocking queries and watchers look at. */
export interface Observed<T> {
  current(): Indexed<T> | undefined;
  /** Replaces the value; the index becomes `atLeast`, or one more than it was. */
  set(value: T, atLeast: number): void;
  /** Resolves when the index has passed `minIndex`, after `waitMs`, or when the signal is aborted. */
  waitPast(wait: AgentWait): Promise<void>;
  /** Calls back on every later change until closed. */
  onChange(listener: (value: T, index: number) => void): { close(): void };
  listenerCount(): number;
}

export function createObserved<T>(clock: Clock): Observed<T> {
  let current: Indexed<T> | undefined;
  // Each registration is an object of its own, so that one function can listen twice.
  const listeners = new Set<{ readonly call: (value: T, index: number) => void }>();
  const waiting = new Set<() => void>();
  return {
    current: () => current,
    listenerCount: () => listeners.size,
    set(value, atLeast) {
      const index = Math.max(atLeast, (current?.index ?? 0) + 1);
      current = { index, value };
      for (const wake of [...waiting]) wake();
      for (const listener of [...listeners]) listener.call(value, index);
    },
    waitPast(wait) {
      return new Promise((resolve) => {
        const isPast = (): boolean => current !== undefined && current.index > wait.minIndex;
        if (isPast() || wait.signal.aborted || wait.waitMs <= 0) {
          resolve();
          return;
        }
        const finish = (): void => {
          waiting.delete(wake);
          timer.cancel();
          wait.signal.removeEventListener("abort", finish);
          resolve();
        };
        const wake = (): void => {
          if (isPast()) finish();
        };
        const timer = clock.after(wait.waitMs, finish);
        waiting.add(wake);
        wait.signal.addEventListener("abort", finish, { once: true });
      });
    },
    onChange(listener) {
      const entry = { call: listener };
      listeners.add(entry);
      return { close: () => void listeners.delete(entry) };
    },
  };
}
