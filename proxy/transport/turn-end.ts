import { free } from "../../lib/base/received-memory.ts";

type Callback = () => void;
type Schedule = (callback: Callback) => void;

/** Smaller chunks are cheaper to collect than to free one by one. */
export const minFreedBytes = 8 * 1024;

/**
 * The end of a turn of the event loop: first what was to be done there, then everything that sockets brought in it is free, since whoever
 * writes has written by then. Where nothing waits for that end, it is free after the event at hand already.
 */
export class TurnEnd {
  readonly #atEndOfTurn: Schedule;
  readonly #atEndOfEvent: Schedule;
  #callbacks: Callback[] = [];
  #received: Buffer[] = [];

  constructor(atEndOfTurn: Schedule, atEndOfEvent: Schedule) {
    this.#atEndOfTurn = atEndOfTurn;
    this.#atEndOfEvent = atEndOfEvent;
  }

  add(callback: Callback): void {
    this.#callbacks.push(callback);
    if (this.#callbacks.length === 1) this.#atEndOfTurn(this.#run);
  }

  /** What a socket has brought, and its handler has had. */
  received(chunk: Buffer): void {
    if (chunk.length < minFreedBytes) return;
    this.#received.push(chunk);
    if (this.#callbacks.length === 0 && this.#received.length === 1) this.#atEndOfEvent(this.#free);
  }

  readonly #run: Callback = () => {
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) callback();
    this.#free();
  };

  readonly #free: Callback = () => {
    // Some of it may be what will be written then.
    if (this.#callbacks.length > 0) return;
    for (const chunk of this.#received) free(chunk);
    this.#received.length = 0;
  };
}
