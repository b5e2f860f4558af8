import type { Indexed, StringMap } from "./catalog.ts";

export const peeringStates = ["PENDING", "ESTABLISHING", "ACTIVE", "FAILING", "DELETING", "TERMINATED"] as const;
export type PeeringState = (typeof peeringStates)[number];

/** Another cluster that this one trusts, or will when it has shown the token that was made for it. */
export interface PeeringFields {
  readonly ID: string;
  readonly Name: string;
  readonly State: PeeringState;
  readonly Meta: StringMap;
  /** What the other cluster calls this peering; empty for one that was offered by a token. */
  readonly PeerID: string;
  readonly PeerCAPems: readonly string[];
  readonly PeerServerName: string;
  readonly PeerServerAddresses: readonly string[];
  /** Told to the other cluster in the place of the servers' own addresses. */
  readonly ManualServerPeeringAddresses: readonly string[];
  readonly Remote: { readonly Partition: string; readonly Datacenter: string };
  /**
   * What a token is known by. On the side that offered it the SHA-256 of the secret, on the side that dials the secret itself. Stays on
   * the servers: no answer, topic or log line has it.
   */
  readonly secret: string;
}
export type PeeringRecord = PeeringFields & Indexed;

/** Letters, digits and hyphens: the name is a label of DNS names. */
export const peerNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
