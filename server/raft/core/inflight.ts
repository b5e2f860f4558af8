import { assert } from "../../../lib/base/assert.ts";
import type { LogIndex } from "./types.ts";

/** Appends that were sent and not answered, bounded in messages and bytes (rule 21): a slow member must not fill our memory. */
export class Inflight {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #messages: { readonly lastIndex: LogIndex; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(options: { maxMessages: number; maxBytes: number }) {
    this.#maxMessages = options.maxMessages;
    this.#maxBytes = options.maxBytes;
  }

  get count(): number {
    return this.#messages.length;
  }

  /** The byte bound may be passed by the message that reaches it, so that one of any size can leave. */
  get isFull(): boolean {
    return this.#messages.length >= this.#maxMessages || this.#bytes >= this.#maxBytes;
  }

  add(message: { readonly lastIndex: LogIndex; readonly bytes: number }): void {
    assert(!this.isFull, "an append was sent through a full window");
    this.#messages.push(message);
    this.#bytes += message.bytes;
  }

  /** Everything up to `index` arrived. */
  free(index: LogIndex): void {
    let freed = 0;
    for (const message of this.#messages) {
      if (message.lastIndex > index) break;
      this.#bytes -= message.bytes;
      freed += 1;
    }
    this.#messages.splice(0, freed);
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }
}
