import { setTimeout as pause } from "node:timers/promises";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { HttpApi } from "../../http-api.ts";
import { type KvEntry, keyPath, parseEntries } from "../../kv-client.ts";

/**
 * What a program is run under, in the layout of Consul's Go client, so that its locks and semaphores exclude those of this
 * command: `lock.ts` and `semaphore.ts` know the entries, the command knows neither.
 */
export interface Holding {
  /** Told to those who ask for it, before anything is done. */
  readonly description: string;
  /** Whether it is held; false when the signal is aborted or the time is over. */
  acquire(signal: AbortSignal, deadlineMs: number): Promise<boolean>;
  /** Whether it is still held, once that may have changed. */
  isHeld(seen: WaitFor, signal: AbortSignal): Promise<{ readonly isHeld: boolean; readonly index: number }>;
  release(): Promise<void>;
  /** Removes what nobody needs any longer; false when somebody does. */
  cleanUp(): Promise<boolean>;
}

export interface HoldingOptions {
  readonly api: HttpApi;
  /** Without slashes at its ends. */
  readonly prefix: string;
  readonly session: string;
}

export type WaitFor = { readonly index: number; readonly waitMs: number } | undefined;

/** Both kinds meet at this key, so that one finds the other there. */
export const lockName = ".lock";
export const maxWaitMs = 15_000;
const defaultRetryPauseMs = 1_000;

/** The time that is left, as the wait of a blocking query. */
export function waitUntil(index: number, deadlineMs: number): { readonly index: number; readonly waitMs: number } {
  return { index, waitMs: Math.max(0, Math.min(maxWaitMs, deadlineMs - performance.now())) };
}

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** How often in a row the servers may be unable to answer. */
  readonly maxRetries: number;
  readonly retryPauseMs?: number;
}

/** Resolves when it is no longer held, or cannot be seen to be, or when the signal is aborted. */
export async function watchHolding(
  holding: Pick<Holding, "isHeld">,
  { signal, maxRetries, retryPauseMs = defaultRetryPauseMs }: WatchOptions,
): Promise<void> {
  let wait: WaitFor;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const { isHeld, index } = await holding.isHeld(wait, signal);
      if (!isHeld) return;
      wait = { index, waitMs: maxWaitMs };
      failures = 0;
    } catch (thrown) {
      const isPassing = thrown instanceof AtollError && thrown.status >= 500;
      if (!isPassing || ++failures > maxRetries) return;
      wait = undefined;
      await pause(retryPauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

export interface Read {
  readonly key: string;
  /** All below the key too. */
  readonly isRecursive?: true;
  readonly wait?: WaitFor;
  readonly signal?: AbortSignal;
}

/** As the leader has it. Rejects when it cannot be had, also because of the signal. */
export async function readEntries(
  api: HttpApi,
  { key, isRecursive, wait, signal }: Read,
): Promise<{ readonly entries: readonly KvEntry[]; readonly index: number }> {
  const answer = await api.ask({
    method: "GET",
    path: keyPath(key),
    query: {
      consistent: "",
      ...(isRecursive === true && { recurse: "" }),
      ...(wait !== undefined && { index: String(wait.index), wait: `${Math.ceil(wait.waitMs)}ms` }),
    },
    ...(signal !== undefined && { signal }),
  });
  const index = Number(answer.headers["x-consul-index"] ?? 0);
  if (answer.status === 404) return { entries: [], index };
  if (answer.status === 200) return { entries: parseEntries(answer.body), index };
  const message = `the agent answered ${answer.status}: ${answer.body.toString("utf8").trim()}`;
  throw new AtollError("INTERNAL", message, { status: answer.status });
}

/** Whether the entry was written, or deleted, on the condition that the query names. */
export async function change(
  api: HttpApi,
  key: string,
  given: { readonly query: Readonly<Record<string, string>>; readonly body?: string; readonly isDeletion?: true },
): Promise<boolean> {
  const method = given.isDeletion === true ? "DELETE" : "PUT";
  const answer = await api.json({ method, path: keyPath(key), query: given.query, body: given.body ?? "" });
  return answer === true;
}
