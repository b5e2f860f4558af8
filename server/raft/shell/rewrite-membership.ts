/**
 * The last resort when a quorum is gone for good: rewrites, on a stopped server, who takes part. The log stays as it is,
 * so the servers that are left elect the one with the most of it; what only the lost ones had is lost. Changes of the
 * membership in the log become empty entries, since applying one of them again would bring the lost servers back; so do
 * hashes of the state, at which the servers that are left may have stopped because the lost leader's was wrong; and the
 * cluster gets another id, the same on every server that is given the same file, so that servers that were believed dead
 * can never take part in it.
 */
import { createHash } from "node:crypto";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { RangedStore, StoreOperation } from "../../log/durable-store.ts";
import { sealJson } from "../../log/sealed-value.ts";
import type { Entry, Membership, NodeId } from "../core/types.ts";
import { decodeEnvelope } from "../replica/envelope.ts";
import { boundsKey, formatVersion, identityKey } from "./disk-layout.ts";
import type { PeerEntry } from "./peers-file.ts";
import { recoverLog } from "./recover-log.ts";
import { replaceLog } from "./upgrade-format-2.ts";

export interface RewriteOptions {
  readonly store: RangedStore;
  /** Named in error messages. */
  readonly directory: string;
  readonly datacenter: string;
  readonly peers: readonly PeerEntry[];
}

/** What was changed, for the person who did it. */
export interface MembershipRewrite {
  readonly nodeId: NodeId;
  readonly before: Membership;
  readonly after: Membership;
  readonly clusterIdBefore: string;
  readonly clusterIdAfter: string;
  readonly lastIndex: number;
  /** Committed for certain; entries behind it may or may not have been acknowledged. */
  readonly commitIndex: number;
}

/** One synced batch. Rejects with `DATA_CORRUPT` and so on, `NOT_FOUND` for an empty directory, `CONFIG_INVALID`. */
export async function rewriteMembership(options: RewriteOptions): Promise<MembershipRewrite> {
  const { store, directory, peers } = options;
  const recovered = await recoverLog(store, { directory, expected: { datacenter: options.datacenter } });
  if (recovered === undefined) throw new AtollError("NOT_FOUND", `there is no server's data in ${directory}`);
  const { identity, bounds } = recovered;
  if (!peers.some(({ id }) => id === identity.nodeId)) {
    throw new AtollError("CONFIG_INVALID", `the peers file does not name this server: its id is ${identity.nodeId}`);
  }
  const revived = peers.find(({ id }) => bounds.membership.removed.includes(id));
  if (revived !== undefined) {
    const message = `the peers file names ${revived.id}, which was removed: wipe that server and let it join anew`;
    throw new AtollError("CONFIG_INVALID", message);
  }
  const after = membershipOf(peers, bounds.membership);
  const clusterIdAfter = nextClusterId(identity.clusterId, peers);
  const entries = recovered.entries.map((entry): Entry => {
    const { index, term } = entry;
    const isKept = entry.kind !== "config" && !isStateHash(entry);
    return isKept ? entry : { index, term, kind: "empty" };
  });
  const { operations, last } = replaceLog(recovered, entries);
  await store.write([
    ...operations,
    putJson(boundsKey, { ...bounds, membership: after, last }),
    putJson(identityKey, { ...identity, formatVersion, clusterId: clusterIdAfter }),
  ]);
  return {
    nodeId: identity.nodeId,
    before: bounds.membership,
    after,
    clusterIdBefore: identity.clusterId,
    clusterIdAfter,
    lastIndex: last.index,
    commitIndex: bounds.hardState.commit,
  };
}

function isStateHash(entry: Entry): boolean {
  return entry.kind === "command" && decodeEnvelope(entry.data).type === "state-hash";
}

function membershipOf(peers: readonly PeerEntry[], before: Membership): Membership {
  const ids = new Set(peers.map(({ id }) => id));
  const gone = [...before.voters, ...before.outgoing, ...before.learners].filter((id) => !ids.has(id));
  return {
    voters: peers.filter(({ isVoter }) => isVoter).map(({ id }) => id),
    outgoing: [],
    learners: peers.filter(({ isVoter }) => !isVoter).map(({ id }) => id),
    learnersNext: [],
    removed: [...new Set([...before.removed, ...gone])],
    addresses: Object.fromEntries(peers.map(({ id, address }) => [id, address])),
  };
}

/** A UUID that every server computes alike, and that another recovery changes again. */
function nextClusterId(clusterId: string, peers: readonly PeerEntry[]): string {
  const text = JSON.stringify([clusterId, peers.map(({ id, isVoter }) => [id, isVoter]).toSorted()]);
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function putJson(key: string, value: unknown): StoreOperation {
  return { type: "put", key, value: sealJson(key, JSON.stringify(value)).bytes };
}
