import type { ProxyLimits } from "../../lib/contract/proxy-limits.ts";
import type { BufferPool } from "../http2/output-buffer.ts";
import type { ConnectionCounters } from "../telemetry/connection-counters.ts";
import type { WriteTurn } from "../transport/outbox.ts";
import type { Connection } from "../transport/transport.ts";
import type { ExchangeContext } from "./exchange-context.ts";
import type { RequestPolicy } from "./policy.ts";

/**
 * While draining: a connection that carried something this short a time ago may have the next request on its way, which an end would
 * lose. It gets that long to say it, and the answer says that it was the last.
 */
export const restMs = 3_000;

/** What all connections of one listener share, whatever they speak. */
export interface ServerContext extends ExchangeContext {
  readonly connections: ConnectionCounters;
  readonly turn: WriteTurn;
  readonly buffers: BufferPool;
  /** As they are now; a connection keeps those that it begins with. */
  readonly limits: () => ProxyLimits;
  /** Whom a request of HTTP/1.0 is for that does not say it. */
  readonly defaultAuthority: string;
  /** While true every response is the last of its connection. */
  isDraining(): boolean;
}

/** What all connections of one listener are served with. */
export interface HttpService {
  readonly context: ServerContext;
  policyFor(connection: Connection): RequestPolicy;
}

/** A connection's place among those of its listener; not a closure, since an idle connection holds little else. */
export interface Seat {
  /** The connection's work is over. */
  leave(): void;
}

export interface ServerConnectionOptions {
  readonly connection: Connection;
  readonly policy: RequestPolicy;
  readonly context: ServerContext;
  readonly seat: Seat;
}
