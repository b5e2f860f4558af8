/**
 * Reads all files of a running server's database once a day and verifies their checksums, a file at a time with a rest
 * before each: what is damaged and never read would be found at the next start only, maybe on two servers at once. The
 * system may answer from its memory what is wrong on the disk; over the days that evens out.
 */
import { type Clock, sleep, type Timer } from "../../../lib/base/clock.ts";
import { errorMessage } from "../../../lib/base/errors.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { checkFiles } from "./file-check.ts";

export const scrubIntervalMs = 24 * 3_600_000;
/** LevelDB's tables are of 2 MiB: one is read and summed within some milliseconds. */
const restMs = 250;

export interface ScrubOptions {
  readonly directory: string;
  readonly runtime: Pick<Runtime, "random" | "logger"> & { readonly clock: Clock };
  /** Called at most once: the data can no longer be trusted, and the process has to end. */
  readonly onDamage: (error: AtollError) => void;
}

/** The first time comes at random within a day, so that not all servers of a cluster are at it together. */
export function startScrub({ directory, runtime, onDamage }: ScrubOptions): { close(): void } {
  const { clock, random, logger } = runtime;
  const stopping = new AbortController();
  let timer: Timer;

  const scrub = async (): Promise<void> => {
    try {
      await checkFiles(directory, () => sleep(clock, restMs, stopping.signal));
      logger.debug("the files of the database are sound", { directory });
    } catch (thrown) {
      if (stopping.signal.aborted) return;
      if (thrown instanceof AtollError) {
        onDamage(thrown);
        return;
      }
      logger.warn("the files of the database could not be verified", { directory, error: errorMessage(thrown) });
    }
    if (!stopping.signal.aborted) timer = clock.after(scrubIntervalMs, () => void scrub());
  };
  timer = clock.after(random.float() * scrubIntervalMs, () => void scrub());
  return {
    close() {
      stopping.abort();
      timer.cancel();
    },
  };
}
