import type { DeregisterCommand, RegisterCommand } from "../contract/commands.ts";
import type { MemberFields } from "../contract/members.ts";
import type { OwnCoordinate } from "./own-coordinate.ts";
import type { NodeRegistrations, Topic, TopicOf, TopicValues } from "../contract/topics.ts";

/**
 * How an agent reaches the servers: in the same process, or over gRPC. Every call rejects with an `AtollError`;
 * `UNAVAILABLE` and `NO_LEADER` may be retried, `UNKNOWN_OUTCOME` only when the write is idempotent.
 */
export interface ServerLink {
  /**
   * Resolves when the write is durable and applied, with the index at which it was. A write that is asked for again under
   * the same request id has one effect. `token` is asked for a service that is not registered on the node yet.
   */
  write(
    command: RegisterCommand | DeregisterCommand,
    signal: AbortSignal,
    options?: { readonly requestId?: string; readonly token?: string },
  ): Promise<{ readonly index: number }>;
  /** What the catalog holds for the node named `node`, at least as new as the last write of this link. */
  nodeRegistrations(node: string, signal: AbortSignal): Promise<NodeRegistrations>;
  /** Signs a PKCS#10 request (PEM) for the identity in its URI name. `token` as with `write`. */
  sign(csrPem: string, signal: AbortSignal, options?: { readonly token?: string }): Promise<SignedLeaf>;
  /** Runs one `/v1` request on a server and returns its answer as it is. */
  forward(request: ForwardRequest, signal: AbortSignal): Promise<ForwardResponse>;
  /**
   * Calls `onValue` with the topic's current value and after each change, in order, until closed. Reconnects by itself
   * and then sends the value again; between connections the last value stands.
   */
  subscribe<K extends Topic["kind"]>(
    topic: TopicOf<K>,
    onValue: (value: TopicValues[K], index: number) => void,
  ): Subscription;
  /** Holds the lease of this agent's node until closed, over whichever server answers. Servers of older releases give none. */
  holdLease(request: LeaseRequest, listener: LeaseListener): Subscription;
  /** Adds a server, `host:port`, to those that are dialled. Rejects with `UNAVAILABLE` when none of this cluster's answers there. */
  addServer(address: string, signal: AbortSignal): Promise<void>;
  /** The server that this link talks to, as `host:port`, and whether the last call reached it. */
  status(): { readonly address: string; readonly isConnected: boolean };
  close(): Promise<void>;
}

/** What an agent says when it asks for its lease; what else a member is, the server adds. */
export type LeaseRequest = Omit<MemberFields, "Port" | "Role">;

export interface LeaseListener {
  /** Gets the first answer of each stream, and each that says something new. */
  onAnswer(answer: LeaseAnswer): void;
  /** No server has the lease at the moment; the link looks for one. */
  onDown(reason: string): void;
  /** Told with the renewals, whose answers name servers to measure the way to. A server does that for the agent in its own process. */
  readonly coordinate?: OwnCoordinate;
}

export interface LeaseAnswer {
  /** The leader has given the lease. */
  readonly isGiven: boolean;
  /** Why it is not given; empty when it is, and when nobody has decided yet. It may be given later on. */
  readonly refusal: string;
  /** The catalog does not hold the node: what is registered has to be compared with it. */
  readonly isOutOfDate: boolean;
}

export interface Subscription {
  close(): void;
}

export interface SignedLeaf {
  readonly certPem: string;
  /** Certificates between the leaf and the root, leaf's issuer first; empty while roots sign leaves themselves. */
  readonly chainPem: string;
  readonly serialNumber: string;
  readonly spiffeId: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly modifyIndex: number;
}

export interface ForwardRequest {
  readonly method: string;
  /** Path and query, beginning with `/v1/`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Who sent it on, as its certificate says: set by the server that takes it, never sent. */
  readonly sender?: ForwardSender;
}

export type ForwardSender = { readonly kind: "server" } | { readonly kind: "agent"; readonly node: string };

export interface ForwardResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}
