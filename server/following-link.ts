import type { ServerLink } from "../lib/client/server-link.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/** What a following server asks of the leader for its own agents, by the leader's address. */
export interface LeaderCatalog {
  write(address: string, ...write: Parameters<ServerLink["write"]>): ReturnType<ServerLink["write"]>;
  nodeRegistrations(address: string, node: string, signal: AbortSignal): ReturnType<ServerLink["nodeRegistrations"]>;
}

/**
 * The link of a server to its own catalog, wherever its leader is: what only a leader can do goes there in one hop. What
 * comes from another server is never sent on; that one looks for the leader itself.
 */
export function createFollowingLink(here: ServerLink, leader: LeaderCatalog): ServerLink {
  return {
    ...here,
    write: (...write) =>
      onLeader(
        () => here.write(...write),
        (address) => leader.write(address, ...write),
      ),
    nodeRegistrations: (node, signal) =>
      onLeader(
        () => here.nodeRegistrations(node, signal),
        (address) => leader.nodeRegistrations(address, node, signal),
      ),
  };
}

/** Nothing was done here when the refusal names a leader. */
async function onLeader<T>(doHere: () => Promise<T>, doThere: (address: string) => Promise<T>): Promise<T> {
  try {
    return await doHere();
  } catch (thrown) {
    if (thrown instanceof AtollError && thrown.code === "NO_LEADER" && thrown.leader !== "") {
      return doThere(thrown.leader);
    }
    throw thrown;
  }
}
