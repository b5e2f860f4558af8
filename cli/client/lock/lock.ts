import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { KvEntry } from "../../kv-client.ts";
import {
  change,
  type Holding,
  type HoldingOptions,
  lockName,
  readEntries,
  type WaitFor,
  waitUntil,
} from "./holding.ts";

/** What Consul's Go client marks the key of a lock with. */
const lockFlags = "3304740253564472344";
/** How often somebody asks whose predecessor lost the lock and whose lock-delay runs. */
const delayedMs = 1_000;

/** For one holder at a time: the key `<prefix>/.lock` belongs to its session. */
export function createLock({ api, prefix, session }: HoldingOptions): Holding {
  const key = `${prefix}/${lockName}`;
  const read = async (wait: WaitFor, signal: AbortSignal | undefined) => {
    const { entries, index } = await readEntries(api, { key, wait, ...(signal !== undefined && { signal }) });
    return { entry: entries[0], index };
  };
  return {
    description: `Setting up lock at path: ${key}`,
    async acquire(signal, deadlineMs) {
      for (let wait: WaitFor; ; ) {
        const { entry, index } = await read(wait, signal);
        mustBeLock(entry);
        wait = undefined;
        if (entry?.Session !== undefined) wait = waitUntil(index, deadlineMs);
        else if (await change(api, key, { query: { acquire: session, flags: lockFlags }, body: hostname() }))
          return true;
        else await pause(Math.min(delayedMs, waitUntil(index, deadlineMs).waitMs), undefined, { signal });
        if (signal.aborted || performance.now() >= deadlineMs) return false;
      }
    },
    async isHeld(wait, signal) {
      const { entry, index } = await read(wait, signal);
      return { isHeld: entry?.Session === session, index };
    },
    async release() {
      await change(api, key, { query: { release: session, flags: lockFlags } });
    },
    async cleanUp() {
      const { entry } = await read(undefined, undefined);
      if (entry === undefined) return true;
      mustBeLock(entry);
      if (entry.Session !== undefined) return false;
      return await change(api, key, { query: { cas: String(entry.ModifyIndex) }, isDeletion: true });
    },
  };
}

function mustBeLock(entry: KvEntry | undefined): void {
  if (entry === undefined || entry.Flags === lockFlags) return;
  throw new AtollError("CONFLICT", `Existing key does not match lock use: ${entry.Key}`);
}
