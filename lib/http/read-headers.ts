import type { FastifyReply } from "fastify";

/** How a read was answered, for the `X-Consul-*` headers that every client library reads. */
export interface ReadMeta {
  /** Index to block on next; 0 is sent as 1, since 0 means "do not block". */
  readonly index: number;
  readonly isLeaderKnown: boolean;
  /** Milliseconds since this server heard of the leader; 0 on the leader itself. */
  readonly lastContactMs: number;
  readonly consistency: "leader" | "stale" | "consistent";
}

/** Go's client gives up parsing the rest when `X-Consul-LastContact` is missing: reads always send all of these. */
export function setReadHeaders(reply: FastifyReply, meta: ReadMeta): void {
  reply.raw.setHeader("X-Consul-Index", String(Math.max(1, meta.index)));
  reply.raw.setHeader("X-Consul-KnownLeader", String(meta.isLeaderKnown));
  reply.raw.setHeader("X-Consul-LastContact", String(Math.max(0, Math.floor(meta.lastContactMs))));
  reply.raw.setHeader("X-Consul-Effective-Consistency", meta.consistency);
  // Consul's other one is its event stream, which is none that clients could do anything about.
  reply.raw.setHeader("X-Consul-Query-Backend", "blocking-query");
}
