/**
 * Runs one replica: feeds it ticks, messages and requests, and carries out the effects that it asks for, in order. All
 * inputs of one turn of the event loop go in together. A halt ends it for good: nothing is answered any more, and the
 * process has to end, because what is on the disk is the truth now.
 */
import { errorMessage } from "../../../lib/base/errors.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import { atEndOfTurn } from "../../../lib/base/turn.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { type CoreConfig, defaultCoreConfig, type LogIndex } from "../core/types.ts";
import { createReplica } from "../replica/replica.ts";
import type {
  Effect,
  Machine,
  Outcome,
  Replica,
  ReplicaInput,
  ReplicaLeadership,
  ReplicaLimits,
  ReplicaStatus,
} from "../replica/replica-api.ts";
import { createAppliedWaiters } from "./applied-waiters.ts";
import type { LevelLog } from "./level-log.ts";
import { createPeers } from "./peers.ts";
import type { PeerInbox, PeerWire } from "./peer-wire.ts";
import { createRequests, type Request } from "./requests.ts";
import { createSnapshotTransfer } from "./snapshot-transfer.ts";
import { startTicker } from "./ticker.ts";

export const tickMs = 50;

export const defaultLimits: ReplicaLimits = {
  diskStallTicks: 20,
  maxQueuedProposals: 16_384,
  trailingEntries: 10_240,
  maxLogBytes: 64 * 1024 * 1024,
  maxRequestIds: 65_536,
  stateHashEvery: 10_000,
};

export interface RaftNodeOptions {
  readonly disk: LevelLog;
  readonly machine: Machine;
  readonly wire: PeerWire;
  readonly ownAddress: () => string;
  readonly core?: Partial<CoreConfig>;
  readonly limits?: Partial<ReplicaLimits>;
  readonly runtime: Runtime;
  readonly onStatus: (status: ReplicaStatus) => void;
  /** The node has ended and must not go on. Called at most once. */
  readonly onFatal: (error: AtollError) => void;
}

export interface RaftNode {
  readonly inbox: PeerInbox;
  status(): ReplicaStatus;
  /** The part of the status that every request asks for. */
  leadership(): ReplicaLeadership;
  /** The last entry whose effect is in memory. */
  appliedIndex(): LogIndex;
  /** Resolves with true once `index` is applied, with false when the signal is aborted first or the node has ended. */
  whenApplied(index: LogIndex, signal: AbortSignal): Promise<boolean>;
  /** Hands a request to the replica and resolves with its outcome; an aborted one is `unknown`. */
  request(request: Request, signal?: AbortSignal): Promise<Outcome>;
  addressOf(node: string): string | undefined;
  /** Writes what was accepted and applied, then ends; the disk is the caller's to close. */
  stop(): Promise<void>;
}

export function startNode(options: RaftNodeOptions): RaftNode {
  const { disk, runtime } = options;
  const { nodeId, clusterId } = disk.identity;
  const logger = runtime.logger.child("raft");
  const replica: Replica = createReplica({
    core: { ...defaultCoreConfig, ...options.core, id: nodeId },
    clusterId,
    stored: disk.stored,
    // Not kept by who keeps these options.
    rows: { [Symbol.iterator]: () => disk.takeRows()[Symbol.iterator]() },
    machine: options.machine,
    random: () => runtime.random.float(),
    limits: { ...defaultLimits, ...options.limits },
  });
  const requests = createRequests();
  const appliedWaiters = createAppliedWaiters();
  let status = replica.status;
  let inputs: ReplicaInput[] = [];
  let isDrainQueued = false;
  let isStopped = false;
  let storing: Promise<void> | undefined;

  const enqueue = (input: ReplicaInput): void => {
    if (isStopped) return;
    inputs.push(input);
    if (isDrainQueued) return;
    isDrainQueued = true;
    atEndOfTurn(drain);
  };
  const drain = (): void => {
    isDrainQueued = false;
    if (isStopped) return;
    const taken = inputs;
    inputs = [];
    try {
      for (const effect of replica.handleAll(taken)) perform(effect);
      appliedWaiters.noteApplied(replica.appliedIndex);
    } catch (thrown) {
      halt(errorMessage(thrown), thrown);
    }
  };
  const halt = (reason: string, cause?: unknown): void => {
    if (isStopped) return;
    end();
    requests.endAll("this server has stopped");
    const error = new AtollError("INTERNAL", `the log cannot go on: ${reason}`, { cause });
    logger.error("the log cannot go on", { reason });
    options.onStatus({ ...status, role: "follower", leader: "", isHalted: true });
    options.onFatal(error);
  };
  const end = (): void => {
    isStopped = true;
    appliedWaiters.endAll();
    ticker.close();
    peers.close();
    transfer.close();
  };
  const diskFailed = (thrown: unknown): void => enqueue({ type: "store-failed", message: errorMessage(thrown) });

  const perform = (effect: Effect): void => {
    if (isStopped) return;
    switch (effect.type) {
      case "send":
        peers.send(effect.message);
        return;
      case "store": {
        const { batch } = effect;
        storing = disk.write(batch).then(() => enqueue({ type: "stored", batchId: batch.batchId }), diskFailed);
        return;
      }
      case "answer":
        requests.settle(effect.id, effect.outcome);
        return;
      case "serve-read":
        requests.settle(effect.id, { ok: true, index: effect.index, result: undefined });
        return;
      case "send-snapshot": {
        const { to, term } = effect;
        void transfer.send(to, term).then((outcome) => enqueue({ type: "snapshot-sent", to, ...outcome }));
        return;
      }
      case "install-snapshot": {
        const { snapshot } = effect;
        storing = disk.install(effect).then((rows) => {
          transfer.release();
          enqueue({ type: "snapshot-installed", snapshot, rows });
        }, diskFailed);
        return;
      }
      case "discard-snapshot":
        transfer.release();
        return;
      case "status":
        noteStatus(effect.status);
        return;
      case "halt":
        halt(effect.reason);
        return;
    }
  };
  const noteStatus = (next: ReplicaStatus): void => {
    if (next.role !== status.role || next.term !== status.term || next.leader !== status.leader) {
      logger.info("raft status", { role: next.role, term: next.term, leader: next.leader });
    }
    status = next;
    peers.update(next.membership);
    options.onStatus(next);
  };

  const peers = createPeers({
    wire: options.wire,
    self: nodeId,
    clusterId,
    membership: disk.stored.membership,
    ownAddress: options.ownAddress,
    runtime,
    onUnreachable: (node) => enqueue({ type: "unreachable", node }),
  });
  const transfer = createSnapshotTransfer({
    disk,
    wire: options.wire,
    clusterId,
    self: nodeId,
    addressOf: peers.addressOf,
    logger,
    onStaged: (staged) => enqueue({ type: "snapshot-staged", ...staged }),
    onDiskError: diskFailed,
  });
  const ticker = startTicker({ clock: runtime.clock, tickMs, onTick: () => enqueue({ type: "tick" }) });

  return {
    inbox: {
      clusterId,
      nodeId,
      onMessages(group) {
        peers.learnAddress(group.from, group.fromAddress);
        for (const message of group.messages) enqueue({ type: "message", clusterId: group.clusterId, message });
      },
      onSnapshot: transfer.receive,
    },
    status: () => (isStopped ? status : replica.status),
    leadership: () => (isStopped ? status : replica.leadership),
    appliedIndex: () => replica.appliedIndex,
    whenApplied: appliedWaiters.wait,
    addressOf: peers.addressOf,
    request(request, signal) {
      if (isStopped) return Promise.resolve(requests.stopped());
      const { id, outcome } = requests.open(signal, () => enqueue({ type: "cancel", id }));
      enqueue({ ...request, id });
      return outcome;
    },
    async stop() {
      if (isStopped) return;
      // A tick writes the rows of what has been applied; what a batch brought to be applied needs another one.
      for (let awaited: Promise<void> | undefined; ; ) {
        enqueue({ type: "tick" });
        await turnOver();
        if (storing === awaited) break;
        awaited = storing;
        await awaited;
        await turnOver();
      }
      end();
      requests.endAll("this server is stopping");
    },
  };
}

/** Resolves when what was handed in during this turn has been taken. */
function turnOver(): Promise<void> {
  return new Promise((resolve) => atEndOfTurn(resolve));
}
