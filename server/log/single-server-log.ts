/**
 * The replicated log of a cluster of one: every proposal is durable in this server's database before memory changes, and
 * is answered when both have happened. One synced batch is in flight at any time; what is proposed meanwhile goes
 * together into the next (group commit). A batch that fails ends the engine: after a failed sync nobody knows what is on
 * the disk, so nothing more may be acknowledged.
 */
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { Command } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type ClusterId, clusterId, logIndex } from "../../lib/contract/ids.ts";
import { formatVersion } from "./data-layout.ts";
import type { DurableStore } from "./durable-store.ts";
import { createJournal, initializeStore, type Journal } from "./journal.ts";
import { createProposalQueue, type Proposal } from "./proposal-queue.ts";
import { type ExpectedIdentity, recover } from "./recovery.ts";
import { createRequestMemory } from "./request-memory.ts";
import type { Leadership, Proposed, ReplicatedLog, StateMachine } from "./replicated-log.ts";

/** How long applied rows may wait for company before a batch of their own takes them to the disk. */
const flushDelayMs = 50;

export interface SingleServerLogOptions {
  /** Owned by the log from here on: it closes the store, also when opening fails. */
  readonly store: DurableStore;
  /** Named in error messages. */
  readonly directory: string;
  readonly machine: StateMachine;
  readonly expected: ExpectedIdentity;
  readonly runtime: Runtime;
  /** The engine has stopped for good; the process should end. Called at most once. */
  readonly onFatal: (error: AtollError) => void;
}

export interface SingleServerLog extends ReplicatedLog {
  readonly clusterId: ClusterId;
  /** Makes this server the leader that it is, reachable at `address`. */
  lead(address: string): void;
}

/**
 * Recovers the state from the store and opens the log. A store that is empty becomes that of a new cluster. Rejects with
 * `DATA_CORRUPT`, `WRONG_CLUSTER` or `DATA_VERSION`.
 */
export async function openSingleServerLog(options: SingleServerLogOptions): Promise<SingleServerLog> {
  try {
    const recovered = await recover(options.store, options);
    const identity = recovered.identity ?? {
      formatVersion,
      clusterId: options.expected.clusterId ?? options.runtime.random.uuid(),
      datacenter: options.expected.datacenter,
    };
    if (recovered.identity === undefined) await initializeStore(options.store, identity, recovered.progress);
    const journal = createJournal({ store: options.store, progress: recovered.progress, digest: recovered.digest });
    options.machine.restore(recovered.progress.appliedIndex, recovered.rows);
    for (const { index, command } of recovered.replay) {
      journal.noteApplied(index, options.machine.apply(index, command).rows);
    }
    options.machine.notify();
    options.runtime.logger.info("log opened", {
      directory: options.directory,
      clusterId: identity.clusterId,
      appliedIndex: recovered.progress.appliedIndex,
      replayedEntries: recovered.replay.length,
    });
    return startEngine(options, journal, clusterId(identity.clusterId));
  } catch (thrown) {
    await options.store.close();
    throw thrown;
  }
}

type Phase = "open" | "stopping" | "failed" | "closed";

function startEngine(options: SingleServerLogOptions, journal: Journal, id: ClusterId): SingleServerLog {
  const { machine, store, runtime } = options;
  const queue = createProposalQueue();
  const listeners = new Set<(leadership: Leadership) => void>();
  // As long as the process lives: a restart forgets the names, a client that asks again much later writes again.
  const requests = createRequestMemory((thrown) => thrown instanceof AtollError && thrown.retryable === "yes");
  let phase: Phase = "open";
  let isWriting = false;
  let isFlushDue = false;
  let isPumpQueued = false;
  let leaderAddress = "";
  let flushTimer: { cancel(): void } | undefined;
  let onDrained: (() => void) | undefined;

  const leadership = (): Leadership => {
    const isLeader = phase === "open" && leaderAddress !== "";
    return {
      isLeader,
      leaderAddress: isLeader ? leaderAddress : "",
      peers: leaderAddress === "" ? [] : [leaderAddress],
      lastContactMs: 0,
    };
  };
  const announce = (): void => {
    for (const listener of [...listeners]) listener(leadership());
  };
  const enter = (next: Phase): void => {
    phase = next;
    flushTimer?.cancel();
    announce();
  };

  /** Proposals of one turn of the loop share a batch, so the first of them must not start it alone. */
  const queuePump = (): void => {
    if (isPumpQueued) return;
    isPumpQueued = true;
    queueMicrotask(() => {
      isPumpQueued = false;
      pump();
    });
  };
  const pump = (): void => {
    if (isWriting || phase === "failed" || phase === "closed") return;
    if (!queue.isEmpty() || (journal.hasUnwritten() && (isFlushDue || phase === "stopping"))) {
      isWriting = true;
      void writeBatch(queue.take());
    } else if (journal.hasUnwritten()) {
      scheduleFlush();
    } else {
      onDrained?.();
    }
  };
  const scheduleFlush = (): void => {
    flushTimer?.cancel();
    flushTimer = runtime.clock.after(flushDelayMs, () => {
      isFlushDue = true;
      pump();
    });
  };
  const writeBatch = async (batch: readonly Proposal[]): Promise<void> => {
    flushTimer?.cancel();
    isFlushDue = false;
    const firstIndex = journal.lastIndex() + 1;
    const outcomes: Proposed[] = [];
    try {
      await journal.write(batch.map((proposal) => proposal.json));
      // Memory changes only now: nobody can have read what a crash would have lost.
      for (const [i, { json }] of batch.entries()) {
        const index = logIndex(firstIndex + i);
        // Applied from its text, exactly as a restart would apply it.
        const { result, rows } = machine.apply(index, JSON.parse(json));
        journal.noteApplied(index, rows);
        outcomes.push({ index, result });
      }
    } catch (thrown) {
      fail(batch, thrown);
      return;
    }
    for (const [i, outcome] of outcomes.entries()) batch[i]?.resolve(outcome);
    machine.notify();
    isWriting = false;
    pump();
  };
  const fail = (batch: readonly Proposal[], thrown: unknown): void => {
    isWriting = false;
    const error = new AtollError("INTERNAL", `the log cannot go on: ${errorMessage(thrown)}`, { cause: thrown });
    enter("failed");
    for (const proposal of batch) proposal.reject(unknownOutcome("the write failed half-way", thrown));
    while (!queue.isEmpty()) for (const proposal of queue.take()) proposal.reject(notRunning());
    runtime.logger.error("the log cannot go on", { error: errorMessage(thrown), directory: options.directory });
    onDrained?.();
    options.onFatal(error);
  };

  const stop = async (): Promise<void> => {
    if (phase === "open") {
      enter("stopping");
      await new Promise<void>((resolve) => {
        onDrained = resolve;
        pump();
      });
    }
    enter("closed");
    await store.close();
  };
  const propose = (command: Command, signal?: AbortSignal): Promise<Proposed> => {
    if (phase !== "open") return Promise.reject(notRunning());
    if (signal?.aborted === true) return Promise.reject(takenBack());
    return new Promise((resolve, reject) => {
      const release = (): void => signal?.removeEventListener("abort", onAbort);
      const proposal: Proposal = {
        json: JSON.stringify(command),
        resolve(proposed) {
          release();
          resolve(proposed);
        },
        reject(error) {
          release();
          reject(error);
        },
      };
      const onAbort = (): void =>
        reject(queue.remove(proposal) ? takenBack() : unknownOutcome("the caller stopped waiting"));
      queue.add(proposal);
      signal?.addEventListener("abort", onAbort, { once: true });
      queuePump();
    });
  };

  let stopping: Promise<void> | undefined;

  queuePump();
  return {
    clusterId: id,
    lead(address) {
      leaderAddress = address;
      announce();
    },
    propose(command, signal, proposeOptions) {
      const { requestId = "" } = proposeOptions ?? {};
      return requestId === "" ? propose(command, signal) : requests.run(requestId, () => propose(command, signal));
    },
    async readIndex() {
      if (phase !== "open") throw notRunning();
      // What has been acknowledged has been applied, and there is nobody else who could acknowledge.
      return logIndex(journal.appliedIndex());
    },
    leadership,
    onLeadershipChange(listener) {
      listeners.add(listener);
      return { close: () => listeners.delete(listener) };
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

function notRunning(): AtollError {
  return new AtollError("UNAVAILABLE", "this server is stopping and takes no more writes; nothing was changed");
}

function takenBack(): AtollError {
  return new AtollError("UNAVAILABLE", "the caller stopped waiting before the change was written; nothing was changed");
}

function unknownOutcome(reason: string, cause?: unknown): AtollError {
  return new AtollError("UNKNOWN_OUTCOME", `${reason}: the change may or may not take effect`, { cause });
}
