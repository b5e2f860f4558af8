import type { Timer } from "../lib/base/clock.ts";
import { createBackoff } from "../lib/base/backoff.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { withDeadline } from "../lib/base/deadline.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import type { NodeFields } from "../lib/contract/catalog.ts";
import type { NodeRegistrations } from "../lib/contract/topics.ts";
import type { LocalChange, LocalState } from "./local-state.ts";
import { diffCatalog } from "./sync/catalog-diff.ts";
import { createDeferredOutputs } from "./sync/deferred-outputs.ts";
import { believe, createPending, pendingCount } from "./sync/pending.ts";
import { ownedCheck, ownedService } from "./sync/owned.ts";
import { pushPending } from "./sync/push.ts";
import { createSyncMetrics } from "./sync/sync-metrics.ts";
import { noteOnPurpose, noteWithdrawn } from "./sync/withdrawn.ts";

/**
 * Keeps the catalog's picture of this node equal to the local state. Every change is brought there at once; at the start,
 * every minute or two, and after any failure the whole node is compared with the catalog, so that whatever was missed,
 * altered or left over there is repaired. One pass runs at a time. While no server answers, changes wait and are merged.
 */
export interface AntiEntropy {
  start(): void;
  /** Ends the pass that is running. What it could not bring to the catalog is repaired by the next start. */
  stop(): Promise<void>;
  /** Resolves when the pass that covers all changes so far has ended; at once when servers are known to be away. */
  settled(): Promise<void>;
  /** Compares the whole node with the catalog now: somebody says that they differ. */
  compareSoon(): void;
  status(): SyncStatus;
}

export interface SyncStatus {
  readonly pendingEntries: number;
  readonly isFailing: boolean;
  /** Wall clock; 0 before the first one. */
  readonly lastFullSyncMs: number;
}

export interface AntiEntropyOptions {
  readonly runtime: MeteredRuntime;
  readonly link: ServerLink;
  readonly state: LocalState;
  readonly node: NodeFields;
  /** How long a change of a check's output alone may wait; 0 writes it at once. */
  readonly checkUpdateIntervalMs: number;
  /** The token to write a service with; the agent's own for the empty id. Absent: none. */
  readonly tokenFor?: (serviceId: string) => string;
  /** Services that the servers keep on this node themselves. */
  readonly foreignServiceIds: ReadonlySet<string>;
}

export const defaultCheckUpdateIntervalMs = 300_000;
/** A full sync comes this long after the last one, plus up to as much again at random. */
const fullSyncIntervalMs = 60_000;
const minRetryMs = 1_000;
const maxRetryMs = 15_000;
const callTimeoutMs = 10_000;

export function createAntiEntropy(options: AntiEntropyOptions): AntiEntropy {
  const { link, state, node } = options;
  const { clock, random } = options.runtime;
  const logger = options.runtime.logger.child("sync");
  const metrics = createSyncMetrics(options.runtime.metrics);
  const backoff = createBackoff({ minDelayMs: minRetryMs, maxDelayMs: maxRetryMs, random });
  const stopping = new AbortController();
  const pending = createPending();
  let isFullDue = true;
  let isFailing = false;
  let lastFullSyncMs = 0;
  let running: Promise<void> | undefined;
  let timer: Timer | undefined;

  const deferred = createDeferredOutputs({
    runtime: options.runtime,
    intervalMs: options.checkUpdateIntervalMs,
    onDue: (checkId) => {
      pending.checks.add(checkId);
      wake();
    },
  });
  const call = <T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline({ clock, timeoutMs: callTimeoutMs, signal: stopping.signal }, run);

  /** Starts a pass in the next microtask, so that one registration's many changes share it. */
  const launch = (): void => {
    if (stopping.signal.aborted || running !== undefined) return;
    running = Promise.resolve().then(runPasses);
  };
  /** While servers are away, changes wait for the retry instead of each making one. */
  const wake = (): void => {
    if (!isFailing) launch();
  };

  const runPasses = async (): Promise<void> => {
    try {
      while (!stopping.signal.aborted && (isFullDue || pendingCount(pending) > 0)) await runPass();
      isFailing = false;
      backoff.reset();
    } catch (error) {
      if (!stopping.signal.aborted) fail(error);
    } finally {
      // In the same turn as the last look at what is pending: a change from now on starts a pass of its own.
      running = undefined;
      metrics.setPending(pendingCount(pending));
      if (!stopping.signal.aborted) schedule();
    }
  };

  const runPass = async (): Promise<void> => {
    if (isFullDue) await compare();
    await pushPending({
      node,
      state,
      pending,
      write: (command, token) => call((signal) => link.write(command, signal, { token })),
      tokenFor: options.tokenFor ?? (() => ""),
      onCheckWritten: deferred.cancel,
      onRefused: (what, error) => {
        metrics.refused();
        logger.warn("the servers refuse a registration", { what, error: error.message });
      },
    });
    if (isFailing) logger.info("the catalog can be reached again");
    isFailing = false;
    metrics.passEnded("ok");
  };

  const compare = async (): Promise<void> => {
    const catalog = await call((signal) => link.nodeRegistrations(node.Node, signal));
    // From here on synchronous: nothing can change between the comparison and what is noted from it.
    tellWithdrawn(catalog);
    const diff = diffCatalog(
      {
        node,
        services: mapValues(state.services(), (service) => ownedService(service.fields, node)),
        checks: mapValues(state.checks(), (check) => ownedCheck(check.fields, node)),
        deferredChecks: deferred.waiting(),
        foreignServiceIds: options.foreignServiceIds,
        withdrawnServices: pending.withdrawnServices,
        withdrawnChecks: pending.withdrawnChecks,
      },
      catalog,
    );
    believe(pending, catalog);
    pending.isNodeOutdated = diff.isNodeOutdated;
    pending.services.clear();
    pending.checks.clear();
    for (const id of diff.services) pending.services.add(id);
    for (const id of diff.checks) pending.checks.add(id);
    // What was registered on purpose since the last write of it is written even when it was removed by force before.
    for (const id of pending.onPurpose) (state.services().has(id) ? pending.services : pending.checks).add(id);
    isFullDue = false;
    lastFullSyncMs = clock.nowMs();
    for (const [id, tags] of diff.tagsToAdopt) state.adoptTags(id, tags);
    metrics.setInSync(lastFullSyncMs);
  };

  /** A forced removal is final: what is registered here stays away until it is registered anew. Said once for each. */
  const tellWithdrawn = (catalog: NodeRegistrations): void => {
    for (const id of noteWithdrawn(pending, catalog)) {
      if (!state.services().has(id) && !state.checks().has(id)) continue;
      logger.warn(
        "an operator has deregistered this by force: it stays out of the catalog until it is registered anew",
        {
          id,
        },
      );
    }
  };

  const fail = (error: unknown): void => {
    if (!isFailing) {
      logger.warn("local registrations cannot be brought to the catalog; they wait", { error: errorMessage(error) });
    }
    isFailing = true;
    isFullDue = true;
    metrics.passEnded("failed");
  };

  const schedule = (): void => {
    timer?.cancel();
    const delayMs = isFailing ? backoff.nextDelayMs() : fullSyncIntervalMs * (1 + random.float());
    timer = clock.after(delayMs, () => {
      isFullDue = true;
      launch();
    });
  };

  const note = (changes: readonly LocalChange[]): void => {
    for (const change of changes) {
      if (change.kind !== "check-status") noteOnPurpose(pending, change.id);
      if (change.kind === "service") pending.services.add(change.id);
      else if (change.kind === "check") pending.checks.add(change.id);
      else if (change.isOutputOnly && options.checkUpdateIntervalMs > 0) {
        deferred.defer(change.id);
        continue;
      } else pending.checks.add(change.id);
      if (change.kind !== "service") deferred.cancel(change.id);
    }
    if (pendingCount(pending) > 0) wake();
    metrics.setPending(pendingCount(pending));
  };

  let observer: { close(): void } | undefined;
  return {
    start() {
      observer = state.observe(note);
      wake();
    },
    async stop() {
      stopping.abort();
      observer?.close();
      timer?.cancel();
      deferred.stop();
      await running;
    },
    compareSoon() {
      isFullDue = true;
      launch();
    },
    settled: () => running ?? Promise.resolve(),
    status: () => ({ pendingEntries: pendingCount(pending), isFailing, lastFullSyncMs }),
  };
}

function mapValues<K, A, B>(map: ReadonlyMap<K, A>, convert: (value: A) => B): Map<K, B> {
  return new Map([...map].map(([key, value]) => [key, convert(value)]));
}
