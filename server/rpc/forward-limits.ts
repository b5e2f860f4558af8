/** What a stream of forwarded requests carries. Whatever is more goes by a call of its own, or is asked again. */
import type { ForwardRequest } from "../../lib/client/server-link.ts";

/** Sent by a follower and not answered: blocking queries wait for minutes. Beyond it each gets a call of its own. */
export const maxOpenRequests = 10_000;
/** The leader refuses what is more. A follower stays below, since requests that it gave up may still be running there. */
export const maxRunningRequests = 16_384;
/** Bytes that wait on a follower while the network takes no more; further requests are not taken. */
export const maxWaitingBytes = 16 * 1024 * 1024;
/** Bytes of answers that wait on a leader; while there are more it reads no further requests. */
export const maxUnsentBytes = 16 * 1024 * 1024;
/** Of one message, unless a single answer is larger. */
export const maxBatchBytes = 256 * 1024;
/** A larger body would hold up what waits behind it. */
const maxStreamedBodyBytes = 64 * 1024;

/** Snapshots are files of any size: they have a call of their own, as large bodies do. */
export function isStreamable(request: ForwardRequest): boolean {
  return request.body.byteLength <= maxStreamedBodyBytes && !request.url.startsWith("/v1/snapshot");
}
