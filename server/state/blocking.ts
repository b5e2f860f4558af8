import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../lib/base/clock.ts";
import type { BlockingOptions, BlockingReader, Read, StateReader } from "./reader.ts";
import type { WatchHub } from "./watch-hub.ts";

/**
 * Blocking queries over the state. A query that times out answers with the value and index that it has seen last: while
 * nothing that it watches was touched, that is still the current value, so `X-Consul-Index` stands still.
 */
export function createBlockingReader(options: {
  readonly reader: StateReader;
  readonly watches: WatchHub;
  readonly clock: Clock;
}): BlockingReader {
  const { reader, watches, clock } = options;
  return {
    async read(query, blocking) {
      const first = query(reader);
      const isOver = blocking.minIndex <= 0 || first.index > blocking.minIndex || blocking.waitMs <= 0;
      if (isOver || blocking.signal?.aborted === true) return first;
      return waitForIndex(first, () => query(reader), blocking, { watches, clock });
    },
  };
}

function waitForIndex<T>(
  first: Read<T>,
  readAgain: () => Read<T>,
  { minIndex, waitMs, signal }: BlockingOptions,
  { watches, clock }: { readonly watches: WatchHub; readonly clock: Clock },
): Promise<Read<T>> {
  return new Promise((resolve, reject) => {
    let current = first;
    let watch = watches.watch(current.watch, onTouched);
    const timer = clock.after(waitMs, finish);
    signal?.addEventListener("abort", finish, { once: true });

    function release(): void {
      watch.cancel();
      timer.cancel();
      signal?.removeEventListener("abort", finish);
    }
    function finish(): void {
      release();
      resolve(current);
    }
    function onTouched(): void {
      try {
        const watchedKeys = current.watch;
        current = readAgain();
        if (current.index > minIndex) finish();
        else if (!isDeepStrictEqual(watchedKeys, current.watch)) {
          watch.cancel();
          watch = watches.watch(current.watch, onTouched);
        }
      } catch (thrown) {
        release();
        reject(thrown);
      }
    }
  });
}
