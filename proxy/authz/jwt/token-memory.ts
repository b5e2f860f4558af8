/** What is known of tokens by their hashes, for a while and of so many: the oldest make room. */
export class TokenMemory<T extends { readonly untilMs: number }> {
  readonly #max: number;
  readonly #entries = new Map<string, T>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** By the clock that `untilMs` is of. */
  get(key: string, nowMs: number): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.untilMs > nowMs) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, entry: T): void {
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#max) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, entry);
  }
}
