/**
 * Runs tasks one after another, in the order given, so that what one reads another cannot change before it has written.
 */
export interface SerialQueue {
  /** Settles as `task` does. A failed task does not hold up the next one. Throws what `onFull` makes when too many wait. */
  run<T>(task: () => Promise<T>): Promise<T>;
  /** Resolves when everything that was given before has settled. */
  drained(): Promise<void>;
}

export function createSerialQueue(options: { readonly maxWaiting: number; readonly onFull: () => Error }): SerialQueue {
  let tail: Promise<void> = Promise.resolve();
  let waiting = 0;
  return {
    async run(task) {
      if (waiting >= options.maxWaiting) throw options.onFull();
      waiting++;
      const turn = tail.then(task);
      tail = turn.then(
        () => undefined,
        () => undefined,
      );
      try {
        return await turn;
      } finally {
        waiting--;
      }
    },
    drained: () => tail,
  };
}
