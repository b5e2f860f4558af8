import type { ClientConnection } from "./client-connection.ts";

const noBytes = new Uint8Array(0);

/**
 * The bytes of one request on the way to an upstream: held until there is one, and kept beyond that only while the request
 * may be sent a second time. Reused from request to request.
 */
export class OutgoingRequest {
  #first: Uint8Array = noBytes;
  #later: Uint8Array[] = [];
  #canResend = false;

  /** `first` is the head with what has come of the body; `canResend` when that is all and sending it twice changes nothing. */
  begin(first: Uint8Array, canResend: boolean): void {
    this.#first = first;
    this.#canResend = canResend;
  }

  /** More of the body, while there is no upstream yet. */
  hold(chunk: Uint8Array): void {
    this.#later.push(chunk);
    this.#canResend = false;
  }

  /** Sends everything; whether the upstream takes more. On a fresh connection a loss is no accident of reuse: no second try. */
  sendTo(upstream: ClientConnection, isFresh: boolean): boolean {
    let canTakeMore = upstream.write(this.#first);
    for (const chunk of this.#later) canTakeMore = upstream.write(chunk);
    if (isFresh || !this.#canResend) this.forget();
    return canTakeMore;
  }

  /** Whether it may be sent again; true once at most. */
  takeSecondTry(): boolean {
    const canResend = this.#canResend;
    this.#canResend = false;
    return canResend;
  }

  forget(): void {
    this.#canResend = false;
    this.#first = noBytes;
    if (this.#later.length > 0) this.#later = [];
  }
}
