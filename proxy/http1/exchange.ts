import type { ClientConnection } from "./client-connection.ts";
import type { MessageHead } from "./head.ts";

/**
 * One request on its way: what the server side of a connection is to the pool and to the client side that carries the
 * request on. A connection has one exchange at a time, so the connection object itself plays this part.
 */
export interface Exchange {
  /** A connection of the pool is ours: send the request. `isFresh` when it has carried none before. */
  onUpstream(upstream: ClientConnection, isFresh: boolean): void;
  /** No connection could be had; nothing was sent. */
  onNoUpstream(failure: UpstreamFailure): void;
  /**
   * A response head, with the part of its body in `chunk[head.end, bodyEnd)`. Comes once for every 1xx before the final
   * one; after a 101 the rest of `chunk` is already the other protocol's.
   */
  onResponseHead(head: MessageHead, chunk: Buffer, bodyEnd: number): void;
  /** More of the response's body, already checked against its framing. */
  onResponseBody(chunk: Buffer): void;
  /** The response is complete. The upstream has gone back to its pool, or is closed. */
  onResponseEnd(): void;
  /** The connection was lost, or its peer broke the protocol, before the response was complete. */
  onUpstreamLost(): void;
  /** The upstream takes bytes again after its `write` returned false. */
  onUpstreamDrain(): void;
}

/** Why no upstream could be had, with Envoy's response flags: UH, UF and UO. */
export type UpstreamFailure = "no_healthy_upstream" | "connect_failure" | "overflow";

/** Where requests can be sent: a pool of connections to one endpoint, or a choice among several. */
export interface Upstream {
  /**
   * Calls `onUpstream` or `onNoUpstream` of the exchange exactly once, at once or later, unless cancelled. `wantsFresh`
   * asks for a new connection, after a pooled one turned out to be closed.
   */
  acquire(exchange: Exchange, wantsFresh: boolean): void;
  /** The exchange that waits for a connection no longer wants one. */
  cancel(exchange: Exchange): void;
}

/** What happens to a request. */
export type Decision =
  | { readonly action: "forward"; readonly upstream: Upstream; readonly addition: Uint8Array }
  | LocalReply;

/** An answer of our own. */
export interface LocalReply {
  readonly action: "reply";
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Decides for the requests of one downstream connection. The head is valid during the call only. */
export interface RequestPolicy {
  decide(head: MessageHead): Decision;
}
