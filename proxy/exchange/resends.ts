import type { UpstreamLoss } from "./ends.ts";

/** Methods whose second execution changes nothing (RFC 9110 section 9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]);
/** Times that servers may turn a request away unprocessed before it is given up. */
const maxUnprocessed = 3;

/**
 * Whether a request that was lost may be sent again. Sending again is for accidents of connections, not for servers that
 * fail: one that certainly was not acted on goes elsewhere whatever it is; one of which nobody knows, once, when that
 * changes nothing.
 */
export class Resends {
  #unprocessed = 0;
  #hasRisked = false;

  /** Counts the resend when it is allowed. */
  take(loss: UpstreamLoss, method: string): boolean {
    if (loss.isUnprocessed) return this.#unprocessed++ < maxUnprocessed;
    if (!loss.wasReused || this.#hasRisked || !idempotentMethods.has(method)) return false;
    this.#hasRisked = true;
    return true;
  }
}
