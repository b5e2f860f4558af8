/** Counts what is held; whoever adds takes away again. */
export interface HeldBytes {
  heldBytes: number;
}

/**
 * What a proxy holds of other people's bytes: received and not passed on, or not written yet. Connections are bounded one by
 * one; this bounds their sum. It is counted where bytes come to wait, never where they pass, so the fast path pays one
 * comparison per request, and the state of overload ends by itself as soon as enough has left.
 */
export class BufferedMemory implements HeldBytes {
  heldBytes = 0;
  readonly #waiting: { readonly waitingBytes: number };
  readonly #lent: { readonly lentBytes: number };
  readonly #maxBytes: () => number;

  constructor(options: {
    /** The transport: what sockets have not taken. */
    readonly waiting: { readonly waitingBytes: number };
    /** What HTTP/2 connections have written and not handed to their sockets. */
    readonly lent: { readonly lentBytes: number };
    readonly maxBytes: () => number;
  }) {
    this.#waiting = options.waiting;
    this.#lent = options.lent;
    this.#maxBytes = options.maxBytes;
  }

  get totalBytes(): number {
    return this.heldBytes + this.#waiting.waitingBytes + this.#lent.lentBytes;
  }

  get isOverloaded(): boolean {
    return this.totalBytes > this.#maxBytes();
  }
}
