import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Authority } from "../ca/authority.ts";
import type { RaftOperator } from "../raft/operator-api.ts";
import type { JoinRequest, JoinResponse } from "../rpc/raft-methods.ts";

/** Entries that a server may lack and still become a voter of a cluster that is being built. */
const maxLagEntries = 64;

/**
 * Takes in a server that was let through: signs its certificate, adds it as a learner, and, as long as the cluster has
 * fewer voters than it was started for, makes it a voter as soon as it has caught up. Later ones are autopilot's to promote.
 */
export async function admit(
  request: JoinRequest,
  options: {
    readonly operator: Pick<RaftOperator, "clusterId" | "status" | "addLearner" | "promote">;
    readonly authority: Authority;
    readonly bootstrapExpect: number;
    readonly signal: AbortSignal;
  },
): Promise<Omit<JoinResponse, "protocols">> {
  const { operator, authority, bootstrapExpect, signal } = options;
  const { nodeId, address, csrPem } = request;
  // The authority keeps the id of the cluster that it began in, also where a recovery or a restored snapshot led to another.
  const { clusterId } = operator;
  const { trustDomain, datacenter, rootPem } = authority;
  if (request.datacenter !== datacenter) {
    throw new AtollError("WRONG_CLUSTER", `this cluster is in datacenter "${datacenter}", not "${request.datacenter}"`);
  }
  if (!/^[A-Za-z0-9-]{1,63}$/.test(nodeId)) {
    throw new AtollError("INVALID_ARGUMENT", `"${nodeId}" is not the id of a server`);
  }
  if (operator.status().membership.removed.includes(nodeId)) {
    throw new AtollError(
      "CONFLICT",
      `server ${nodeId} was removed from this cluster for good: wipe it, and it gets a new id`,
    );
  }
  const chainPem = csrPem === "" ? "" : authority.signServer(csrPem, nodeId);
  if (address !== "") {
    await operator.addLearner({ node: nodeId, address }, signal);
    const { membership, progress, commitIndex } = operator.status();
    const follower = progress.find(({ node }) => node === nodeId);
    const isCaughtUp = follower?.isRecentlyActive === true && follower.match + maxLagEntries >= commitIndex;
    const isBuilding = membership.voters.length < bootstrapExpect && membership.outgoing.length === 0;
    if (isBuilding && isCaughtUp && membership.learners.includes(nodeId)) await operator.promote(nodeId, signal);
  }
  return { chainPem, rootPem, clusterId, trustDomain, datacenter };
}
