import type { ConfigChange, ConfigStep, Membership, NodeId } from "./types.ts";

export type MembershipOutcome =
  | { readonly ok: true; readonly membership: Membership }
  | { readonly ok: false; readonly message: string };

/** A membership being edited by the steps of one change. */
interface Draft {
  readonly voters: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly removed: Set<NodeId>;
  readonly addresses: Map<NodeId, string>;
}

/**
 * What a committed change makes of the membership: the same on every server, since it depends on nothing else. At most one
 * voter comes and at most one goes per change: a jump from three voters to one is legal in joint consensus and yet leaves
 * quorums that do not overlap with those of a server that lags behind (etcd/raft #372). One of them alone takes effect at once, both (a
 * replacement) through a joint phase.
 */
export function applyChange(current: Membership, change: ConfigChange): MembershipOutcome {
  if (change.type === "leave-joint") return leaveJoint(current);
  if (isJoint(current)) return refuse("the joint phase of the last change is not over yet");
  if (change.steps.length === 0) return refuse("the change has no steps");
  if (new Set(change.steps.map((step) => step.node)).size < change.steps.length) {
    return refuse("the change names a server twice");
  }
  const draft = draftOf(current);
  for (const step of change.steps) {
    const message = applyStep(draft, step);
    if (message !== undefined) return refuse(message);
  }
  const added = [...draft.voters].filter((node) => !current.voters.includes(node));
  const gone = current.voters.filter((node) => !draft.voters.has(node));
  const message = judgeVoters({ current, draft, added, gone });
  if (message !== undefined) return refuse(message);
  return { ok: true, membership: added.length + gone.length < 2 ? finished(draft) : joint(current, draft, gone) };
}

export function isJoint(membership: Membership): boolean {
  return membership.outgoing.length > 0;
}

/** Voter or learner, now or when the joint phase ends. */
export function isMember(membership: Membership, node: NodeId): boolean {
  return membership.voters.includes(node) || membership.outgoing.includes(node) || membership.learners.includes(node);
}

function leaveJoint(current: Membership): MembershipOutcome {
  if (!isJoint(current)) return refuse("there is no joint phase to leave");
  const draft = draftOf(current);
  for (const node of current.learnersNext) draft.learners.add(node);
  for (const node of current.outgoing) {
    if (!draft.voters.has(node) && !draft.learners.has(node)) bury(draft, node);
  }
  return { ok: true, membership: finished(draft) };
}

function draftOf(current: Membership): Draft {
  return {
    voters: new Set(current.voters),
    learners: new Set(current.learners),
    removed: new Set(current.removed),
    addresses: new Map(Object.entries(current.addresses)),
  };
}

/** Returns why the step is impossible. */
function applyStep(draft: Draft, step: ConfigStep): string | undefined {
  const { node } = step;
  if (draft.removed.has(node)) {
    return `server ${node} was removed once and its id is not used again: wipe it, so that it joins under a new one`;
  }
  switch (step.action) {
    case "add-voter":
      if (draft.voters.has(node)) return `server ${node} is a voter already`;
      draft.learners.delete(node);
      draft.voters.add(node);
      draft.addresses.set(node, step.address);
      return undefined;
    case "add-learner":
      if (draft.learners.has(node)) return `server ${node} is a learner already`;
      draft.voters.delete(node);
      draft.learners.add(node);
      draft.addresses.set(node, step.address);
      return undefined;
    case "set-address":
      if (!draft.voters.has(node) && !draft.learners.has(node)) return `server ${node} is not a member`;
      draft.addresses.set(node, step.address);
      return undefined;
    case "remove":
      if (!draft.voters.has(node) && !draft.learners.has(node)) return `server ${node} is not a member`;
      bury(draft, node);
      return undefined;
  }
}

function bury(draft: Draft, node: NodeId): void {
  draft.voters.delete(node);
  draft.learners.delete(node);
  draft.addresses.delete(node);
  draft.removed.add(node);
}

function judgeVoters(change: {
  current: Membership;
  draft: Draft;
  added: readonly NodeId[];
  gone: readonly NodeId[];
}): string | undefined {
  const { current, draft, added, gone } = change;
  if (draft.voters.size === 0) return "no voter would be left";
  if (added.length > 1) return `only one voter can be added at a time, not ${added.join(", ")}`;
  if (gone.length > 1) return `only one voter can be taken away at a time, not ${gone.join(", ")}`;
  // The other voter of two may never learn that the change was committed, and then needs the vote of the one that went. A
  // learner still gives it, a removed server may be wiped (tikv #10595, raft-rs #584).
  if (current.voters.length === 2 && gone.some((node) => draft.removed.has(node))) {
    return `server ${gone.join()} is one of two voters: make it a learner first, then remove it`;
  }
  return undefined;
}

function finished(draft: Draft): Membership {
  return {
    voters: [...draft.voters].sort(),
    outgoing: [],
    learners: [...draft.learners].sort(),
    learnersNext: [],
    removed: [...draft.removed].sort(),
    addresses: addressesOf(draft.addresses),
  };
}

/** Those that go stay voters of `outgoing`, reachable and without a tombstone, until the joint phase ends. */
function joint(current: Membership, draft: Draft, gone: readonly NodeId[]): Membership {
  const addresses = new Map(draft.addresses);
  for (const node of gone) addresses.set(node, draft.addresses.get(node) ?? current.addresses[node] ?? "");
  return {
    voters: [...draft.voters].sort(),
    outgoing: [...current.voters].sort(),
    learners: [...draft.learners].filter((node) => !gone.includes(node)).sort(),
    learnersNext: gone.filter((node) => draft.learners.has(node)).sort(),
    removed: [...draft.removed].filter((node) => !gone.includes(node)).sort(),
    addresses: addressesOf(addresses),
  };
}

function addressesOf(addresses: ReadonlyMap<NodeId, string>): Readonly<Record<NodeId, string>> {
  return Object.fromEntries([...addresses].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function refuse(message: string): MembershipOutcome {
  return { ok: false, message };
}
