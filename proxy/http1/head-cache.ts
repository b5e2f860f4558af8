import type { FieldBlock } from "../message/field-block.ts";

/** Longer heads are parsed every time. */
const maxHeadBytes = 2048;

/**
 * The last head of one connection: clients and servers repeat themselves, and a head that is the same to the byte need not
 * be parsed, checked and encoded again. It is kept from the second time on, so that heads that never repeat cost one
 * comparison of lengths and no copy.
 */
export class HeadCache<T extends { readonly head: { readonly block: FieldBlock } }> {
  #bytes: Buffer | undefined;
  #parsed: T | undefined;
  #lastLength = -1;

  /** What `bytes[start, end)` was found to be before. */
  find(bytes: Buffer, start: number, end: number): T | undefined {
    const cached = this.#bytes;
    if (cached === undefined || cached.length !== end - start) return undefined;
    return cached.compare(bytes, start, end) === 0 ? this.#parsed : undefined;
  }

  store(bytes: Buffer, start: number, end: number, parsed: T): void {
    const length = end - start;
    const isLikelyAgain = length === this.#lastLength;
    this.#lastLength = length;
    if (!isLikelyAgain || length > maxHeadBytes) return;
    this.#bytes = Buffer.from(bytes.subarray(start, end));
    this.#parsed = parsed;
    // What is worked out about it is worth keeping now.
    parsed.head.block.isShared = true;
  }
}
