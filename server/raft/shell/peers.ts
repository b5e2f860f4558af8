import type { Runtime } from "../../../lib/base/runtime.ts";
import type { Membership, Message, NodeId } from "../core/types.ts";
import { createPeerSender, type PeerSender } from "./peer-sender.ts";
import type { MessageGroup, PeerWire } from "./peer-wire.ts";

/** Senders known by nothing but the envelope of a message; more than a cluster has servers, so nobody real is left out. */
const maxLearnedAddresses = 64;

/** All ways to other servers, by node id. */
export interface Peers {
  send(message: Message): void;
  /** Where a server says it listens: for one that is not in the membership applied here yet. */
  learnAddress(node: NodeId, address: string): void;
  addressOf(node: NodeId): string | undefined;
  /** Ends the ways to servers that are no members any more. */
  update(membership: Membership): void;
  close(): void;
}

export interface PeersOptions {
  readonly wire: PeerWire;
  readonly self: NodeId;
  readonly clusterId: string;
  readonly membership: Membership;
  /** Where peers reach this server, as of now. */
  readonly ownAddress: () => string;
  readonly runtime: Runtime;
  readonly onUnreachable: (node: NodeId) => void;
}

export function createPeers(options: PeersOptions): Peers {
  const { wire, self, clusterId, runtime } = options;
  const senders = new Map<NodeId, PeerSender>();
  const learned = new Map<NodeId, string>();
  let membership = options.membership;
  let isClosed = false;

  const addressOf = (node: NodeId): string | undefined => membership.addresses[node] ?? learned.get(node);
  const envelope = (): Omit<MessageGroup, "to" | "messages"> => ({
    clusterId,
    from: self,
    fromAddress: options.ownAddress(),
  });
  const open = (to: NodeId): PeerSender => {
    const sender = createPeerSender({
      wire,
      to,
      address: () => addressOf(to),
      envelope,
      runtime,
      onUnreachable: () => options.onUnreachable(to),
    });
    senders.set(to, sender);
    return sender;
  };
  return {
    send(message) {
      if (!isClosed) (senders.get(message.to) ?? open(message.to)).send(message);
    },
    learnAddress(node, address) {
      if (address === "" || membership.removed.includes(node)) return;
      if (learned.has(node) || learned.size < maxLearnedAddresses) learned.set(node, address);
    },
    addressOf,
    update(next) {
      membership = next;
      for (const node of next.removed) learned.delete(node);
      for (const [node, sender] of senders) {
        if (addressOf(node) !== undefined) continue;
        sender.close();
        senders.delete(node);
      }
    },
    close() {
      isClosed = true;
      for (const sender of senders.values()) sender.close();
      senders.clear();
    },
  };
}
