import type { Operation } from "./history.ts";

/**
 * A history as one doubly linked list of calls and returns in the order of time. Taking an operation out (`lift`) and putting
 * it back in the reverse order (`unlift`) costs a constant (Lowe, "Testing for linearizability", 2017).
 */
export interface Entry<Input, Output> {
  readonly id: number;
  readonly operation: Operation<Input, Output>;
  /** The return of a call; absent on returns, and on calls whose outcome is unknown. */
  readonly match: Entry<Input, Output> | undefined;
  readonly isReturn: boolean;
  before: Entry<Input, Output> | undefined;
  after: Entry<Input, Output> | undefined;
}

export interface EntryList<Input, Output> {
  readonly head: Entry<Input, Output>;
  /** Operations with a known outcome: all of them must find their place, the others need not. */
  readonly completed: number;
}

/**
 * At the same instant calls come before returns: intervals are closed, so operations that only touch are concurrent, which
 * is what a clock of finite resolution can honestly say.
 */
export function linkEntries<Input, Output>(
  operations: readonly Operation<Input, Output>[],
): EntryList<Input, Output> | undefined {
  const timed: { readonly time: number; readonly entry: Entry<Input, Output> }[] = [];
  let completed = 0;
  operations.forEach((operation, id) => {
    const isKnown = operation.return !== Number.POSITIVE_INFINITY;
    const end: Entry<Input, Output> | undefined = isKnown
      ? { id, operation, match: undefined, isReturn: true, before: undefined, after: undefined }
      : undefined;
    const start = { id, operation, match: end, isReturn: false, before: undefined, after: undefined };
    timed.push({ time: operation.call, entry: start });
    if (end === undefined) return;
    completed++;
    timed.push({ time: operation.return, entry: end });
  });
  timed.sort((a, b) => a.time - b.time || Number(a.entry.isReturn) - Number(b.entry.isReturn));
  const [first] = timed;
  if (first === undefined) return undefined;
  timed.forEach(({ entry }, position) => {
    entry.before = timed[position - 1]?.entry;
    entry.after = timed[position + 1]?.entry;
  });
  // A head before the first entry, so that every real entry has one before it and lifting needs no special case.
  const head = { ...first.entry, isReturn: false, match: undefined, before: undefined, after: first.entry };
  first.entry.before = head;
  return { head, completed };
}

/** Takes a call and its return out of the list. */
export function lift<Input, Output>(call: Entry<Input, Output>): void {
  unlink(call);
  if (call.match !== undefined) unlink(call.match);
}

/** Puts back what `lift` took out; calls must be put back in the reverse order. */
export function unlift<Input, Output>(call: Entry<Input, Output>): void {
  if (call.match !== undefined) relink(call.match);
  relink(call);
}

function unlink<Input, Output>(entry: Entry<Input, Output>): void {
  if (entry.before !== undefined) entry.before.after = entry.after;
  if (entry.after !== undefined) entry.after.before = entry.before;
}

function relink<Input, Output>(entry: Entry<Input, Output>): void {
  if (entry.before !== undefined) entry.before.after = entry;
  if (entry.after !== undefined) entry.after.before = entry;
}
