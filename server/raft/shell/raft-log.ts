/**
 * The Raft engine behind `ReplicatedLog`: durable on a majority, applied here, then answered. One instance per server, on
 * a disk that is open already; without peers it is a cluster of one that elects itself at once.
 */
import { mustGet } from "../../../lib/base/assert.ts";
import { errorMessage } from "../../../lib/base/errors.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import type { CommandResult } from "../../../lib/contract/commands.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { type ClusterId, clusterId, type LogIndex, logIndex } from "../../../lib/contract/ids.ts";
import type { Leadership, ReplicatedLog, StateMachine } from "../../log/replicated-log.ts";
import type { CoreConfig } from "../core/types.ts";
import type { RaftOperator } from "../operator-api.ts";
import type { ReplicaLeadership, ReplicaLimits, ReplicaStatus } from "../replica/replica-api.ts";
import type { LevelLog } from "./level-log.ts";
import { createMachine } from "./machine.ts";
import { startNode, tickMs } from "./node.ts";
import { createOperator } from "./operator.ts";
import { errorOf } from "./outcomes.ts";
import type { PeerInbox, PeerWire } from "./peer-wire.ts";

/** How long a stopping leader waits for another one to take over. */
const handOverTimeoutMs = 2_500;
/** One command; larger ones are refused. */
export const maxEntryBytes = 4 * 1024 * 1024;

export interface RaftLog extends ReplicatedLog {
  readonly clusterId: ClusterId;
  readonly operator: Omit<RaftOperator, "restoreSnapshot">;
  /** For the RPC listener: what peers send. */
  readonly inbox: PeerInbox;
  /** Where peers and agents reach this server; until it is known, this server does not say that it leads. */
  advertise(address: string): void;
  /**
   * The index that a read answered here now shows; a consistent one makes sure first that this server still leads. Rejects
   * with `NO_LEADER` where it does not.
   */
  indexToRead(options: { readonly isConsistent: boolean }, signal: AbortSignal): Promise<number>;
  /** Resolves with true once that index is applied here, with false when the signal is aborted first. */
  whenApplied(index: number, signal: AbortSignal): Promise<boolean>;
  /** Resolves with true when some server is known to lead, with false when the signal is aborted first. */
  waitForLeader(signal: AbortSignal): Promise<boolean>;
  /** A leader lets another voter take over, or gives up soon; to be done while peers can still be heard. */
  handOver(): Promise<void>;
}

export interface RaftLogOptions {
  /** Owned by the log from here on. */
  readonly disk: LevelLog;
  readonly machine: StateMachine;
  readonly wire: PeerWire;
  readonly core?: Partial<CoreConfig>;
  readonly limits?: Partial<ReplicaLimits>;
  readonly runtime: Runtime;
  /** The engine has stopped for good; the process should end. Called at most once. */
  readonly onFatal: (error: AtollError) => void;
}

/** Starts the engine: the machine is restored when this returns, and entries behind that follow as they are committed. */
export function openRaftLog(options: RaftLogOptions): RaftLog {
  const { disk, runtime } = options;
  const { nodeId } = disk.identity;
  const listeners = new Set<(leadership: Leadership) => void>();
  let ownAddress = "";
  let isOpen = true;
  let announced = "";

  const node = startNode({
    ...options,
    machine: createMachine(options.machine),
    ownAddress: () => ownAddress,
    onStatus: (status) => {
      announce();
      saveOwnAddress(status);
    },
    onFatal(error) {
      isOpen = false;
      announce();
      options.onFatal(error);
    },
  });

  const addressOf = (id: string): string =>
    id === nodeId && ownAddress !== "" ? ownAddress : (node.addressOf(id) ?? "");
  const isLeading = (status: ReplicaLeadership): boolean =>
    isOpen && status.role === "leader" && !status.isHalted && ownAddress !== "";
  const leaderAddressOf = (status: ReplicaLeadership): string => {
    if (!isOpen || status.leader === "" || (status.leader === nodeId && !isLeading(status))) return "";
    return addressOf(status.leader);
  };
  const leadership = (): Leadership => {
    const status = node.leadership();
    return {
      isLeader: isLeading(status),
      leaderAddress: leaderAddressOf(status),
      // Nearly nobody asks, and every request asks for the rest.
      get peers() {
        const { voters, learners } = status.membership;
        return [...voters, ...learners].map(addressOf).filter((address) => address !== "");
      },
      lastContactMs: status.ticksSinceLeader * tickMs,
    };
  };
  function announce(): void {
    const now = leadership();
    const name = JSON.stringify([now.isLeader, now.leaderAddress, now.peers]);
    if (name === announced) return;
    announced = name;
    for (const listener of [...listeners]) listener(now);
  }
  /** A leader corrects its own address by itself; the others ask it to (join). */
  function saveOwnAddress(status: ReplicaStatus): void {
    const { membership } = status;
    if (!isLeading(status) || membership.addresses[nodeId] === ownAddress || membership.outgoing.length > 0) return;
    const change = {
      type: "change" as const,
      steps: [{ action: "set-address" as const, node: nodeId, address: ownAddress }],
    };
    // A refusal means that another change is on its way: the status that ends it asks again.
    void node.request({ type: "propose-change", change });
  }
  const failure = (outcome: Parameters<typeof errorOf>[0]): AtollError =>
    errorOf(outcome, { leaderAddress: leaderAddressOf(node.status()), refusedAs: "UNAVAILABLE" });

  const readIndex = async (signal?: AbortSignal): Promise<LogIndex> => {
    if (!isOpen) throw notRunning();
    const outcome = await node.request({ type: "read" }, signal);
    if (outcome.ok) return logIndex(outcome.index);
    // A read has no effect to be unsure about.
    if (outcome.reason === "unknown") throw new AtollError("UNAVAILABLE", `the read was given up: ${outcome.message}`);
    throw failure(outcome);
  };
  const handOver = async (): Promise<void> => {
    const status = node.status();
    if (status.role !== "leader" || status.membership.voters.length < 2) return;
    const giveUp = new AbortController();
    const timer = runtime.clock.after(handOverTimeoutMs, () => giveUp.abort());
    try {
      await operator.transferLeadership(undefined, giveUp.signal);
    } catch (thrown) {
      // As when all servers are told to stop together: not worth a warning, since nothing depends on it.
      runtime.logger.info(
        "no other server took over leadership: those that go on running elect a leader by themselves",
        {
          reason: errorMessage(thrown),
        },
      );
    } finally {
      timer.cancel();
    }
  };
  const stop = async (): Promise<void> => {
    isOpen = false;
    announce();
    await node.stop();
    await disk.close();
  };
  let stopping: Promise<void> | undefined;

  const operator = createOperator({
    node,
    disk,
    addressOf,
    leaderAddress: () => leaderAddressOf(node.status()),
    clock: runtime.clock,
  });

  return {
    clusterId: clusterId(disk.identity.clusterId),
    operator,
    inbox: node.inbox,
    advertise(address) {
      ownAddress = address;
      announce();
      saveOwnAddress(node.status());
    },
    async propose(command, signal, proposal) {
      if (!isOpen) throw notRunning();
      if (signal?.aborted === true) throw takenBack();
      const data = JSON.stringify(command);
      // Characters stand for bytes: a bound on memory, not an exact size.
      if (data.length > maxEntryBytes) {
        throw new AtollError(
          "TOO_LARGE",
          `the change is ${data.length} bytes large; at most ${maxEntryBytes} are allowed`,
        );
      }
      const requestId = proposal?.requestId ?? "";
      const outcome = await node.request({ type: "propose", requestId, data }, signal);
      if (!outcome.ok) throw failure(outcome);
      return { index: logIndex(outcome.index), result: trustedResult(outcome.result) };
    },
    readIndex,
    async indexToRead({ isConsistent }, signal) {
      if (isConsistent) return readIndex(signal);
      const status = node.leadership();
      if (isLeading(status)) return node.appliedIndex();
      throw failure({ ok: false, reason: "not-leader", message: "", leader: status.leader });
    },
    whenApplied: node.whenApplied,
    leadership,
    onLeadershipChange(listener) {
      listeners.add(listener);
      return { close: () => listeners.delete(listener) };
    },
    waitForLeader(signal) {
      return new Promise((resolve) => {
        const isKnown = (): boolean => !isOpen || node.status().leader !== "";
        const done = (isFound: boolean): void => {
          listener.close();
          timer.cancel();
          signal.removeEventListener("abort", onAbort);
          resolve(isFound);
        };
        const onAbort = (): void => done(false);
        const look = (): void => {
          if (isKnown()) done(isOpen);
        };
        listeners.add(look);
        const listener = { close: () => listeners.delete(look) };
        // An own leadership that is not advertised yet is no change that listeners hear of.
        const poll = (): { cancel(): void } =>
          runtime.clock.after(2, () => {
            if (isKnown()) done(isOpen);
            else timer = poll();
          });
        let timer = poll();
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    handOver,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** The machine's own results come back, from memory or from the row of a remembered request. */
function trustedResult(result: unknown): CommandResult {
  return mustGet(result, "an applied command has a result") as CommandResult;
}

function notRunning(): AtollError {
  return new AtollError("UNAVAILABLE", "this server is stopping and takes no more writes; nothing was changed");
}

function takenBack(): AtollError {
  return new AtollError("UNAVAILABLE", "the caller stopped waiting before the change was written; nothing was changed");
}
