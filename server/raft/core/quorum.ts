import type { NodeId } from "./types.ts";

/**
 * Quorum arithmetic, for one set of voters and for the two sets of joint consensus (thesis 4.3), where every decision needs
 * a majority of each. A set without voters decides nothing and so stands in nobody's way.
 */
export interface VoterSets {
  readonly voters: readonly NodeId[];
  readonly outgoing: readonly NodeId[];
}

export type VoteResult = "won" | "lost" | "pending";

/** The largest value that a majority of each set has reached: of `match` the commit index, of read rounds the confirmed one. */
export function quorumValue(sets: VoterSets, numberOf: (node: NodeId) => number): number {
  return Math.min(majorityValue(sets.voters, numberOf), majorityValue(sets.outgoing, numberOf));
}

/** `voteOf` returns undefined for who has not answered yet. */
export function voteResult(sets: VoterSets, voteOf: (node: NodeId) => boolean | undefined): VoteResult {
  const incoming = majorityVote(sets.voters, voteOf);
  const outgoing = majorityVote(sets.outgoing, voteOf);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

/** Every voter of either set, once, in the order of the sets. */
export function allVoters(sets: VoterSets): readonly NodeId[] {
  return sets.outgoing.length === 0 ? sets.voters : [...new Set([...sets.voters, ...sets.outgoing])];
}

export function isVoter(sets: VoterSets, node: NodeId): boolean {
  return sets.voters.includes(node) || sets.outgoing.includes(node);
}

function majorityValue(voters: readonly NodeId[], numberOf: (node: NodeId) => number): number {
  const values = voters.map(numberOf).sort((a, b) => b - a);
  return values[values.length >> 1] ?? Number.POSITIVE_INFINITY;
}

function majorityVote(voters: readonly NodeId[], voteOf: (node: NodeId) => boolean | undefined): VoteResult {
  if (voters.length === 0) return "won";
  const majority = (voters.length >> 1) + 1;
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = voteOf(voter);
    if (vote === true) granted += 1;
    else if (vote === false) refused += 1;
  }
  if (granted >= majority) return "won";
  return voters.length - refused < majority ? "lost" : "pending";
}
