import { free } from "./received.ts";

type Callback = () => void;

/** Smaller chunks are cheaper to collect than to free one by one. */
export const minFreedBytes = 8 * 1024;

/**
 * The end of a turn of the event loop: first what was to be done there, then everything that sockets brought in it is free, since whoever
 * writes has written by then.
 */
export class TurnEnd {
  readonly #schedule: (callback: Callback) => void;
  #callbacks: Callback[] = [];
  #received: Buffer[] = [];
  #isScheduled = false;

  /** `schedule` calls back when the events at hand have been handled. */
  constructor(schedule: (callback: Callback) => void) {
    this.#schedule = schedule;
  }

  add(callback: Callback): void {
    this.#callbacks.push(callback);
    this.#wait();
  }

  /** What a socket has brought, and its handler has had. */
  received(chunk: Buffer): void {
    if (chunk.length < minFreedBytes) return;
    this.#received.push(chunk);
    this.#wait();
  }

  #wait(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#schedule(this.#run);
  }

  readonly #run: Callback = () => {
    this.#isScheduled = false;
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) callback();
    // One of them may have written what leaves at the end of the next turn only.
    if (this.#callbacks.length > 0) return;
    for (const chunk of this.#received) free(chunk);
    this.#received.length = 0;
  };
}
