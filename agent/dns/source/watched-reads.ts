/**
 * Reads of the catalog that are kept current. The first question for a URL fetches it and, from then on, a blocking query
 * follows its changes until nobody has asked for a while. When no server answers, the last value stands.
 *
 * What does not exist is followed too, once it was asked for again, so that a service is seen as soon as it comes. Names
 * that are asked for once, as a scan does, cost one request each and hold nothing.
 */
import { createBackoff } from "../../../lib/base/backoff.ts";
import type { Timer } from "../../../lib/base/clock.ts";
import { sleep } from "../../../lib/base/clock.ts";
import { withDeadline } from "../../../lib/base/deadline.ts";
import { errorMessage } from "../../../lib/base/errors.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import type { ForwardResponse, ServerLink } from "../../../lib/client/server-link.ts";
import type { Found, Outcome } from "../dns-catalog.ts";

export interface WatchedReads {
  /** The value at `path`, a path of `/v1` with its query; `decode` gets the JSON, or undefined where the server has no such thing. */
  read<T>(path: string, decode: Decode<T>): Found<T>;
  /** The same without remembering anything. */
  ask<T>(path: string, decode: Decode<T>, headers?: Readonly<Record<string, string>>): Promise<Outcome<T>>;
  /** Another number after each change of anything that `read` returns. */
  version(): number;
  /** Another number with each other token: what else is remembered of answers has to be kept apart by it. */
  tokenGeneration(): number;
  /** URLs that are followed now. */
  size(): number;
  close(): void;
}

export type Decode<T> = (json: unknown) => { readonly value: T; readonly isAbsent: boolean };

export interface WatchedReadsOptions {
  readonly link: Pick<ServerLink, "forward">;
  readonly runtime: Runtime;
  /** Of requests to the servers; undefined for none. What one token was shown is never given for another. */
  readonly token: () => string | undefined;
  /** While no server answers, values of before are given for so long. Asked for at each read. */
  readonly maxStaleMs: () => number;
  readonly limits?: Partial<WatchLimits>;
}

export interface WatchLimits {
  /** Values that are followed; the one unused for longest goes for a new one. */
  readonly maxPresent: number;
  readonly maxAbsent: number;
  readonly idleMs: number;
  /** How long who asks waits for a value that is not here yet. */
  readonly patienceMs: number;
  /** First questions under way; further ones are answered as if no server could be reached. */
  readonly maxFetches: number;
}

const defaultLimits: WatchLimits = {
  maxPresent: 4_096,
  maxAbsent: 512,
  idleMs: 600_000,
  patienceMs: 2_500,
  maxFetches: 256,
};
const sweepMs = 60_000;
const waitSeconds = 300;
/** The wait with its jitter, and time for the way. */
const blockedMs = waitSeconds * 1_000 * (1 + 1 / 16) + 30_000;
const quickMs = 20;
const unindexedMs = 1_000;
const unreachable = { state: "unreachable" } as const;
const denied = { state: "denied" } as const;

interface Fetch {
  readonly url: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Entry {
  readonly stop: AbortController;
  outcome: Outcome<unknown> | undefined;
  first: Promise<Outcome<unknown>>;
  isAbsent: boolean;
  lastUsedMs: number;
  /** Since when no server answers. */
  failingSinceMs: number | undefined;
}

export function createWatchedReads(options: WatchedReadsOptions): WatchedReads {
  const { link, runtime } = options;
  const { clock, random } = runtime;
  const limits = { ...defaultLimits, ...options.limits };
  const entries = new Map<string, Entry>();
  /** Absent names that were asked for once, oldest first. */
  const askedOnce = new Set<string>();
  let entriesToken = options.token();
  let fetches = 0;
  let version = 0;
  let tokenGeneration = 0;
  const closing = new AbortController();
  let sweepTimer: Timer;

  const fetch = async ({ url, timeoutMs, signal, headers = {} }: Fetch): Promise<ForwardResponse> => {
    const token = options.token();
    const all = token === undefined ? headers : { ...headers, "x-consul-token": token };
    return withDeadline({ clock, timeoutMs, signal }, (limited) =>
      link.forward({ method: "GET", url, headers: all, body: new Uint8Array(0) }, limited),
    );
  };

  const forget = (path: string, entry: Entry): void => {
    version++;
    entry.stop.abort();
    if (entries.get(path) === entry) entries.delete(path);
  };

  /** One look at the server; what it cannot answer now is thrown. */
  const look = async (path: string, index: number, entry: Entry, decode: Decode<unknown>): Promise<number> => {
    const url = index === 0 ? path : `${path}&index=${index}&wait=${waitSeconds}s`;
    const timeoutMs = index === 0 ? limits.patienceMs : blockedMs;
    const answer = await fetch({ url, timeoutMs, signal: entry.stop.signal });
    const read = readAnswer(answer, decode);
    entry.failingSinceMs = undefined;
    entry.outcome = read.outcome;
    version++;
    entry.isAbsent = read.isAbsent;
    const newIndex = Number(answer.headers["x-consul-index"] ?? 0);
    // One that falls means that the state was replaced: begin anew.
    return Number.isSafeInteger(newIndex) && newIndex >= index ? newIndex : 0;
  };

  const follow = async (path: string, entry: Entry, decode: Decode<unknown>, firstIndex: number): Promise<void> => {
    const backoff = createBackoff({ minDelayMs: 200, maxDelayMs: 10_000, random });
    let index = firstIndex;
    const { signal } = entry.stop;
    while (!signal.aborted) {
      try {
        const startedMs = clock.monotonicMs();
        index = await look(path, index, entry, decode);
        if (entry.outcome?.state !== "known") {
          forget(path, entry);
          return;
        }
        backoff.reset();
        // Without an index there is nothing to wait for; changes that come at once are taken together.
        const isQuick = clock.monotonicMs() - startedMs < quickMs;
        if (index === 0 || isQuick) await sleep(clock, index === 0 ? unindexedMs : quickMs, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        entry.failingSinceMs ??= clock.monotonicMs();
        runtime.logger.debug("a watched read failed", { path, error: errorMessage(thrown) });
        await sleep(clock, backoff.nextDelayMs(), signal);
      }
    }
  };

  const begin = (path: string, decode: Decode<unknown>): Entry => {
    const entry: Entry = {
      stop: new AbortController(),
      outcome: undefined,
      first: Promise.resolve(unreachable),
      isAbsent: false,
      lastUsedMs: clock.monotonicMs(),
      failingSinceMs: undefined,
    };
    const isWanted = askedOnce.delete(path);
    fetches++;
    entry.first = (async (): Promise<Outcome<unknown>> => {
      try {
        const index = await look(path, 0, entry, decode);
        const outcome = entry.outcome ?? unreachable;
        if (outcome.state !== "known" || (entry.isAbsent && !isWanted)) {
          if (entry.isAbsent) rememberOnce(path);
          forget(path, entry);
          return outcome;
        }
        makeRoom(entry);
        void follow(path, entry, decode, index);
        return outcome;
      } catch (thrown) {
        runtime.logger.debug("the servers did not answer", { path, error: errorMessage(thrown) });
        forget(path, entry);
        return unreachable;
      } finally {
        fetches--;
      }
    })();
    entries.set(path, entry);
    return entry;
  };

  const rememberOnce = (path: string): void => {
    const [oldest] = askedOnce;
    if (askedOnce.size >= limits.maxAbsent && oldest !== undefined) askedOnce.delete(oldest);
    askedOnce.add(path);
  };

  const makeRoom = (added: Entry): void => {
    const rivals = [...entries].filter(([, entry]) => entry.isAbsent === added.isAbsent && entry.outcome !== undefined);
    if (rivals.length <= (added.isAbsent ? limits.maxAbsent : limits.maxPresent)) return;
    let oldest: readonly [string, Entry] | undefined;
    for (const rival of rivals) {
      if (rival[1] !== added && (oldest === undefined || rival[1].lastUsedMs < oldest[1].lastUsedMs)) oldest = rival;
    }
    if (oldest !== undefined) forget(...oldest);
  };

  const clear = (): void => {
    for (const [path, entry] of [...entries]) forget(path, entry);
    askedOnce.clear();
  };

  const heedToken = (): void => {
    const token = options.token();
    if (token === entriesToken) return;
    entriesToken = token;
    tokenGeneration++;
    version++;
    clear();
  };

  const sweep = (): void => {
    const now = clock.monotonicMs();
    for (const [path, entry] of [...entries]) {
      if (entry.outcome !== undefined && now - entry.lastUsedMs > limits.idleMs) forget(path, entry);
    }
    sweepTimer = clock.after(sweepMs, sweep);
  };
  sweepTimer = clock.after(sweepMs, sweep);

  return {
    read<T>(path: string, decode: Decode<T>): Found<T> {
      if (closing.signal.aborted) return unreachable;
      heedToken();
      const known = entries.get(path);
      if (known === undefined && fetches >= limits.maxFetches) return unreachable;
      const entry = known ?? begin(path, decode);
      const now = clock.monotonicMs();
      entry.lastUsedMs = now;
      if (entry.outcome === undefined) return entry.first.then((outcome) => ofType<T>(outcome));
      const isTooOld = entry.failingSinceMs !== undefined && now - entry.failingSinceMs > options.maxStaleMs();
      return isTooOld ? unreachable : ofType<T>(entry.outcome);
    },
    async ask<T>(path: string, decode: Decode<T>, headers = {}): Promise<Outcome<T>> {
      if (closing.signal.aborted || fetches >= limits.maxFetches) return unreachable;
      fetches++;
      try {
        const answer = await fetch({ url: path, timeoutMs: limits.patienceMs, signal: closing.signal, headers });
        return ofType<T>(readAnswer(answer, decode).outcome);
      } catch {
        return unreachable;
      } finally {
        fetches--;
      }
    },
    version() {
      heedToken();
      return version;
    },
    tokenGeneration() {
      heedToken();
      return tokenGeneration;
    },
    size: () => entries.size,
    close() {
      closing.abort();
      sweepTimer.cancel();
      clear();
    },
  };
}

/** Each path has one decoder, so what is kept under a path is what its decoder made. */
function ofType<T>(outcome: Outcome<unknown>): Outcome<T> {
  return outcome as Outcome<T>;
}

/** Throws for an answer that another server, or the same one later, may have a better one for. */
function readAnswer(
  answer: ForwardResponse,
  decode: Decode<unknown>,
): { readonly outcome: Outcome<unknown>; readonly isAbsent: boolean } {
  if (answer.status === 403) return { outcome: denied, isAbsent: false };
  const text = Buffer.from(answer.body).toString("utf8");
  const isElsewhere = answer.status === 500 && text.includes("No path to datacenter");
  if (answer.status >= 500 && !isElsewhere) throw new Error(text.slice(0, 200));
  if (answer.status === 429) throw new Error("the servers have too much to do");
  // No such thing, or a server that does not know what is asked: there is nothing of that name.
  const { value, isAbsent } = decode(answer.status === 200 ? JSON.parse(text) : undefined);
  return { outcome: { state: "known", value }, isAbsent };
}
