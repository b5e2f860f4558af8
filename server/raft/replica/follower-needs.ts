/**
 * From where on a leader's followers need its log. One that was active within an election timeout counts; the core's own
 * mark of activity alone will not do, since it starts anew with every check of the quorum.
 */
import type { LogIndex, MemberProgress, NodeId } from "../core/types.ts";

export interface FollowerNeeds {
  /** Once per tick: the smallest index behind which somebody needs entries that are still kept. */
  tick(progress: readonly MemberProgress[], firstIndex: LogIndex): LogIndex;
}

export function createFollowerNeeds({ patienceTicks }: { readonly patienceTicks: number }): FollowerNeeds {
  let silentTicks = new Map<NodeId, number>();
  return {
    tick(progress, firstIndex) {
      silentTicks = new Map(
        progress.map(({ node, isRecentlyActive }) => [node, isRecentlyActive ? 0 : (silentTicks.get(node) ?? 0) + 1]),
      );
      const matches = progress
        .filter(({ node, state }) => state !== "snapshot" && (silentTicks.get(node) ?? 0) <= patienceTicks)
        .map(({ match }) => match)
        // Who is behind the kept log gets a snapshot whatever is kept.
        .filter((match) => match + 1 >= firstIndex);
      return Math.min(Number.POSITIVE_INFINITY, ...matches);
    },
  };
}
