/**
 * What ends by itself: sessions that are not renewed, keys with a TTL, lock-delays, old tombstones and the trust in former roots. The state has no clock,
 * so the leader watches its own and proposes the command that ends each; who reads them learns of nothing else. Called by
 * the routes of sessions and locks (`Locks`), started and stopped by the server.
 */
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { Command } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { StateReader } from "../state/reader.ts";
import type { WatchHub } from "../state/watch-hub.ts";
import { watchKeys } from "../state/watch-keys.ts";
import { createLockDelayTimers } from "./lock-delay-timers.ts";
import type { Locks } from "./locks.ts";
import { createSessionTimers } from "./session-timers.ts";
import { prunedRoots } from "./retired-roots.ts";
import { createTombstoneAge } from "./tombstone-age.ts";

/** How late something ends at most, beside the time that the log takes. */
const intervalMs = 1_000;
/** A look that comes later than this after the last one means that the process stood still. */
const lateMs = 3 * intervalMs;
/** Ended by one command; what is more waits for the next look. */
const maxPerCommand = 512;

export interface Expiry extends Locks {
  close(): void;
}

export interface ExpiryOptions {
  readonly log: Pick<ReplicatedLog, "propose" | "readIndex" | "leadership" | "onLeadershipChange">;
  readonly reader: StateReader;
  readonly watches: WatchHub;
  readonly runtime: Runtime;
}

export function startExpiry({ log, reader, watches, runtime }: ExpiryOptions): Expiry {
  const { clock, logger } = runtime;
  const sessions = createSessionTimers();
  const delays = createLockDelayTimers();
  const tombstones = createTombstoneAge();
  let lastLookMs = clock.monotonicMs();
  let isClosed = false;
  let timer: Timer;

  const followDelays = (): void => delays.follow(reader.lockDelays(), clock.monotonicMs());
  const delayWatch = watches.watch([watchKeys.lockDelays], followDelays);
  const leadership = log.onLeadershipChange(({ isLeader }) => {
    if (!isLeader) forget();
  });
  /** Of the leadership that is: whether the state holds all that was committed before it. */
  let isCaughtUp = false;
  let catchingUp: Promise<void> | undefined;
  const catchUp = (): Promise<void> => {
    const asked = log.readIndex().then(
      () => {
        if (catchingUp === asked) isCaughtUp = true;
      },
      (thrown: unknown) => {
        if (catchingUp === asked) catchingUp = undefined;
        throw thrown;
      },
    );
    catchingUp = asked;
    return asked;
  };
  const whenCaughtUp = async (): Promise<void> => {
    if (!isCaughtUp) await (catchingUp ?? catchUp());
  };
  const forget = (): void => {
    isCaughtUp = false;
    catchingUp = undefined;
    sessions.forget();
    tombstones.forget();
  };

  const due = (nowMs: number): readonly Command[] => {
    const ids = sessions.ended(nowMs, maxPerCommand);
    const keys = reader.endedKvEntries(clock.nowMs(), maxPerCommand);
    const overdue = delays.ended(reader.lockDelays(), nowMs).slice(0, maxPerCommand);
    const index = tombstones.look(reader.newestTombstone(), nowMs);
    const entries = keys.map((record) => ({ key: record.Key, modifyIndex: record.ModifyIndex }));
    if (ids.length > 0) logger.info("sessions were not renewed and end", { count: ids.length, first: ids[0] ?? "" });
    return [
      ...(ids.length > 0 ? [{ type: "session-destroy", ids } as const] : []),
      ...(entries.length > 0 ? [{ type: "kv-expire", entries } as const] : []),
      ...(overdue.length > 0 ? [{ type: "lock-delays-end", delays: overdue } as const] : []),
      ...(index === undefined ? [] : [{ type: "kv-reap", index } as const]),
      ...prunedRoots(reader, clock.nowMs()),
    ];
  };

  const look = async (): Promise<void> => {
    const nowMs = clock.monotonicMs();
    const sinceMs = nowMs - lastLookMs;
    lastLookMs = nowMs;
    if (!log.leadership().isLeader) {
      forget();
      return;
    }
    if (sinceMs > lateMs) sessions.giveBack(sinceMs - intervalMs);
    sessions.follow(reader.sessions().value, nowMs);
    await Promise.all(due(nowMs).map(propose));
  };

  /** What fails is due again at the next look, if it still is. */
  const propose = async (command: Command): Promise<void> => {
    try {
      await log.propose(command);
    } catch (thrown) {
      const isExpected = thrown instanceof AtollError && (thrown.code === "NO_LEADER" || isClosed);
      const report = { command: command.type, error: errorMessage(thrown) };
      if (isExpected) logger.debug("what is over could not be ended", report);
      else logger.warn("what is over could not be ended", report);
    }
  };

  const arm = (): void => {
    timer = clock.after(intervalMs, () => {
      void look()
        .catch((thrown: unknown) => logger.error("looking for what is over failed", { error: errorMessage(thrown) }))
        .then(() => {
          if (!isClosed) arm();
        });
    });
  };
  followDelays();
  arm();
  return {
    ready: whenCaughtUp,
    async renewSession(id) {
      await whenCaughtUp();
      const session = reader.session(id).value;
      if (session !== undefined) sessions.renew(session, clock.monotonicMs());
      return session;
    },
    async isDelayed(key) {
      await whenCaughtUp();
      return delays.isDelayed(reader.lockDelay(key), clock.monotonicMs());
    },
    close() {
      isClosed = true;
      timer.cancel();
      delayWatch.cancel();
      leadership.close();
    },
  };
}
