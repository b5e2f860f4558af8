import type { Deadlines, Expiring } from "./deadlines.ts";
import type { UpstreamLoss } from "./ends.ts";

/** Methods whose second execution changes nothing (RFC 9110 section 9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]);
/** Times that servers may turn a request away unprocessed before it is given up. */
const maxUnprocessed = 3;
/** The longest pause before the second resend, as Envoy's base; twice that before the third. Half to whole, by chance. */
const basePauseMs = 25;

export interface ResendContext {
  readonly deadlines: Deadlines;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/**
 * Whether a request that was lost may be sent again, and when. Sending again is for accidents of connections, not for servers
 * that fail: one that certainly was not acted on goes elsewhere whatever it is; one of which nobody knows, once, when that
 * changes nothing. The first time that is at once; a server that turns it away again has more than it can take, and gets a
 * moment, not the same for all.
 */
export class Resends implements Expiring {
  #unprocessed = 0;
  #hasRisked = false;
  /** Of `Deadlines`, or -1. */
  #slot = -1;
  #send: (() => void) | undefined;

  /** Counts the resend when it is allowed. */
  take(loss: UpstreamLoss, method: string): boolean {
    if (loss.isUnprocessed) return this.#unprocessed++ < maxUnprocessed;
    if (!loss.wasReused || this.#hasRisked || !idempotentMethods.has(method)) return false;
    this.#hasRisked = true;
    return true;
  }

  /** Calls `send`, now or after a pause; nothing is to be taken or begun before. */
  begin({ deadlines, random }: ResendContext, send: () => void): void {
    const pauses = Math.max(0, this.#unprocessed - 1);
    if (pauses === 0) {
      send();
      return;
    }
    this.#send = send;
    this.#slot = deadlines.add(basePauseMs * pauses * (0.5 + random() / 2), this);
  }

  onDeadline(): void {
    const send = this.#send;
    this.#slot = -1;
    this.#send = undefined;
    send?.();
  }

  /** The request is over. */
  cancel(deadlines: Deadlines): void {
    if (this.#slot >= 0) deadlines.remove(this.#slot, this);
    this.#slot = -1;
    this.#send = undefined;
  }
}
