import { type Clock, sleep } from "../../../lib/base/clock.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { ConfigStep, LogIndex, NodeId } from "../core/types.ts";
import type { RaftOperator } from "../operator-api.ts";
import type { LevelLog } from "./level-log.ts";
import { type RaftNode, tickMs } from "./node.ts";
import { errorOf } from "./outcomes.ts";
import type { SnapshotReader } from "./snapshot-reader.ts";

export interface OperatorOptions {
  readonly node: RaftNode;
  readonly disk: Pick<LevelLog, "identity" | "openSnapshot">;
  readonly addressOf: (node: NodeId) => string;
  readonly leaderAddress: () => string;
  readonly clock: Clock;
}

/**
 * Ticks that a change waits for an earlier one, or for what a new leader inherited, to be applied. Both follow by
 * themselves, and soon: nobody should have to ask again because a leader was elected a moment ago.
 */
const maxPendingWaits = 60;
/** Half ticks; the disk is stalled when it has not caught up by then. */
const maxSnapshotWaits = 400;

/** Membership, transfer and snapshots of a running node; restoring goes through the log and is put together elsewhere. */
export function createOperator(options: OperatorOptions): Omit<RaftOperator, "restoreSnapshot"> {
  const { node, disk, addressOf, leaderAddress, clock } = options;
  const { nodeId, clusterId } = disk.identity;

  const change = async (steps: readonly ConfigStep[], signal?: AbortSignal): Promise<void> => {
    for (let waits = 0; ; waits++) {
      const outcome = await node.request({ type: "propose-change", change: { type: "change", steps } }, signal);
      if (outcome.ok) return;
      if (outcome.reason !== "pending" || waits === maxPendingWaits || signal?.aborted === true) {
        throw errorOf(outcome, { leaderAddress: leaderAddress(), refusedAs: "CONFLICT" });
      }
      await sleep(clock, tickMs, signal);
    }
  };
  const transfer = async (to: NodeId, signal?: AbortSignal): Promise<void> => {
    const outcome = await node.request({ type: "transfer", to }, signal);
    if (!outcome.ok) throw errorOf(outcome, { leaderAddress: leaderAddress(), refusedAs: "CONFLICT" });
  };
  /** Whoever has most of the log and was heard of lately. */
  const successor = (): NodeId => {
    const { progress, membership } = node.status();
    const candidates = progress
      .filter((one) => one.node !== nodeId && one.isRecentlyActive && membership.voters.includes(one.node))
      .toSorted((a, b) => b.match - a.match);
    const [best] = candidates;
    if (best !== undefined) return best.node;
    throw new AtollError("CONFLICT", "no other voter can be reached that could take over leadership");
  };
  /** Rows follow their entries to the disk within a tick: whoever saw a write acknowledged finds it in the snapshot. */
  const upToDate = async (index: LogIndex): Promise<SnapshotReader> => {
    for (let attempt = 0; attempt < maxSnapshotWaits; attempt++) {
      const reader = await disk.openSnapshot();
      if (reader.meta.index >= index) return reader;
      await reader.close();
      await sleep(clock, tickMs / 2);
    }
    throw new AtollError("UNAVAILABLE", "this server's disk does not keep up with its writes; ask again later");
  };
  const mustLead = (): void => {
    const status = node.status();
    if (status.role === "leader") return;
    const address = leaderAddress();
    const where = address === "" ? "there is no leader at the moment" : `the leader is at ${address}`;
    throw new AtollError(
      "NO_LEADER",
      `this server does not lead (${where})`,
      address === "" ? {} : { leader: address },
    );
  };

  return {
    nodeId,
    clusterId,
    status() {
      const status = node.status();
      return { ...status, leaderAddress: leaderAddress(), lastContactMs: status.ticksSinceLeader * tickMs };
    },
    members() {
      const { membership, progress, leader } = node.status();
      return [...membership.voters, ...membership.learners].map((id) => {
        const known = progress.find((one) => one.node === id);
        return {
          node: id,
          address: addressOf(id),
          isVoter: membership.voters.includes(id),
          isLeader: id === leader,
          ...(known === undefined
            ? {}
            : { progress: { match: known.match, isRecentlyActive: known.isRecentlyActive } }),
        };
      });
    },
    async addLearner(member, signal) {
      mustLead();
      const { membership } = node.status();
      if (membership.removed.includes(member.node)) {
        throw new AtollError(
          "CONFLICT",
          `server ${member.node} was removed from this cluster for good: move server/ in its data directory away, so that it joins under a new id`,
        );
      }
      const isKnown = [...membership.voters, ...membership.learners].includes(member.node);
      if (isKnown && membership.addresses[member.node] === member.address) return;
      await change([{ action: isKnown ? "set-address" : "add-learner", ...member }], signal);
    },
    async promote(id, signal) {
      mustLead();
      const { membership } = node.status();
      if (membership.voters.includes(id)) return;
      if (!membership.learners.includes(id)) throw unknownServer(id);
      await change([{ action: "add-voter", node: id, address: membership.addresses[id] ?? "" }], signal);
    },
    async remove(id, signal) {
      mustLead();
      const { membership } = node.status();
      const { voters, learners, addresses } = membership;
      if (!voters.includes(id) && !learners.includes(id)) throw unknownServer(id);
      if (id === nodeId) {
        if (voters.length === 1) throw new AtollError("CONFLICT", "the last voter of a cluster cannot be removed");
        await transfer(successor(), signal);
        mustLead();
      }
      // Of two voters one is demoted first: the survivor must have heard of it before the other one stops voting.
      if (voters.length === 2 && voters.includes(id)) {
        await change([{ action: "add-learner", node: id, address: addresses[id] ?? "" }], signal);
      }
      await change([{ action: "remove", node: id }], signal);
    },
    async transferLeadership(to, signal) {
      mustLead();
      if (to === nodeId) return;
      await transfer(to ?? successor(), signal);
    },
    async openSnapshot() {
      const reader = await upToDate(node.status().appliedIndex);
      return {
        index: reader.meta.index,
        term: reader.meta.term,
        clusterId,
        rows: () => reader.rows(),
        close: () => reader.close(),
      };
    },
  };
}

function unknownServer(id: NodeId): AtollError {
  return new AtollError("NOT_FOUND", `server ${id} is not a member of this cluster`);
}
