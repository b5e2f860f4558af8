import type { Membership, NodeId } from "../../server/raft/core/types.ts";
import type { DiskImage } from "./disk-image.ts";

/** Of a server only what is on its disk counts. */
interface Survivor {
  readonly id: NodeId;
  readonly disk: { readonly durable: DiskImage };
}

/** What one server would come back with after a crash. */
interface Voter {
  readonly id: NodeId;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly membership: Membership;
}

/**
 * Whether these servers, all in touch with each other, can be asked to go on without the rest: every membership that may come
 * to be has a majority among them, and one of them can be elected by what it knows itself.
 *
 * The second half is not implied by the first. A change takes effect where it is applied: who has the entry that removes a
 * server and has not heard that it is committed still needs a majority of the old voters (rule 12). When the one that knew is
 * lost in that moment, no Raft can go on, though a majority of the new voters is there. So an answered change makes the removed
 * server dispensable as long as nobody else fails; a failure more is survived once those who are left have heard of the change.
 */
export function canGoOn(left: readonly Survivor[], memberships: readonly Membership[]): boolean {
  const isLeft = (id: NodeId): boolean => left.some((server) => server.id === id);
  if (!memberships.every((membership) => isQuorate(membership, isLeft))) return false;
  const voters = left.map(voterOf);
  return voters.some((candidate) => canWin(candidate, voters));
}

/** Whether every voter set keeps a majority when exactly these servers are left. */
export function isQuorate(membership: Membership, isLeft: (id: NodeId) => boolean): boolean {
  return [membership.voters, membership.outgoing].every(
    (set) => set.length === 0 || set.filter(isLeft).length > set.length / 2,
  );
}

function voterOf({ id, disk: { durable } }: Survivor): Voter {
  const { lastIndex, membership } = durable;
  return { id, lastIndex, lastTerm: durable.termAt(lastIndex) ?? 0, membership };
}

/** Section 3.6.1 of the thesis: by the votes of those whose logs are not more up to date, members by their own count or not. */
function canWin(candidate: Voter, voters: readonly Voter[]): boolean {
  const { id, lastIndex, lastTerm, membership } = candidate;
  if (!membership.voters.includes(id) && !membership.outgoing.includes(id)) return false;
  const granting = voters.filter(
    (other) => other.lastTerm < lastTerm || (other.lastTerm === lastTerm && other.lastIndex <= lastIndex),
  );
  return isQuorate(membership, (node) => granting.some((other) => other.id === node));
}
