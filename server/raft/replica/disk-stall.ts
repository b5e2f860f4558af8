/**
 * A leader whose disk hangs must not keep the cluster by its heartbeats: what it takes on cannot commit through it, and
 * nobody else is asked. When a batch is outstanding for too long it stops heartbeats and hands leadership over; when nobody
 * has taken it within an election timeout it steps down. Until the disk answers it does not campaign either.
 */
import type { MemberProgress, Membership, Message, NodeId } from "../core/types.ts";

export interface DiskStall {
  readonly isStalled: boolean;
  /** Counts a tick of the outstanding batch and says what a leader has to do now. */
  tick(): "hand-over" | "step-down" | undefined;
  /** The outstanding batch is on the disk. */
  clear(): void;
  maySend(message: Message): boolean;
}

export interface DiskStallOptions {
  readonly stallTicks: number;
  /** How long a transfer may take. */
  readonly transferTicks: number;
}

export function createDiskStall({ stallTicks, transferTicks }: DiskStallOptions): DiskStall {
  let outstandingTicks = 0;
  const isStalled = (): boolean => outstandingTicks > stallTicks;
  return {
    get isStalled() {
      return isStalled();
    },
    tick() {
      outstandingTicks++;
      if (outstandingTicks === stallTicks + 1) return "hand-over";
      return outstandingTicks === stallTicks + 1 + transferTicks ? "step-down" : undefined;
    },
    clear() {
      outstandingTicks = 0;
    },
    // Appends go on: they bring the target of a transfer up to date.
    maySend: ({ type }) => type !== "heartbeat" || !isStalled(),
  };
}

/** The voter that leads best in the place of `self`: alive and the furthest along. */
export function transferTarget(
  progress: readonly MemberProgress[],
  { voters }: Membership,
  self: NodeId,
): NodeId | undefined {
  return progress
    .filter(({ node, isRecentlyActive }) => node !== self && isRecentlyActive && voters.includes(node))
    .toSorted((a, b) => b.match - a.match || (a.node < b.node ? -1 : 1))[0]?.node;
}
