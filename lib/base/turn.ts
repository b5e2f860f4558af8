/**
 * Calls `callback` when the events at hand have all been handled: what one turn of the event loop brings in can then be
 * taken together. A microtask would run between two of them.
 */
export function atEndOfTurn(callback: () => void): void {
  setImmediate(callback);
}

/** Calls `callback` when the event at hand has been handled, before the next one of this turn. It costs no turn of the loop. */
export function atEndOfEvent(callback: () => void): void {
  queueMicrotask(callback);
}
