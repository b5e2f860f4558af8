import type { ForwardRequest, ForwardResponse } from "../lib/client/server-link.ts";

/** How a following server has a `/v1` request run by the leader. */
export interface LeaderLink {
  /**
   * Runs the request at `address`. Rejects with `NO_LEADER` when nothing was sent, and for a write with `UNKNOWN_OUTCOME`
   * when it was and no answer came; a read then gets `UNAVAILABLE`.
   */
  forward(address: string, request: ForwardRequest, signal: AbortSignal): Promise<ForwardResponse>;
}
