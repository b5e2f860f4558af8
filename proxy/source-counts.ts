/** The open connections of one source. */
export interface SourceCount {
  readonly source: string;
  open: number;
}

/** Open connections by where they come from. It has as many entries as there are connections at most. */
export class SourceCounts {
  readonly #counts = new Map<string, SourceCount>();

  /**
   * Counts one more of `source`; undefined, and nothing is counted, when it has `max` already. What comes back stands for the source from
   * then on, so that a connection does not keep a name of its own.
   */
  enter(source: string, max: number): SourceCount | undefined {
    const known = this.#counts.get(source);
    if (known !== undefined) {
      if (known.open >= max) return undefined;
      known.open++;
      return known;
    }
    const count = { source, open: 1 };
    this.#counts.set(source, count);
    return count;
  }

  leave(count: SourceCount): void {
    if (--count.open === 0) this.#counts.delete(count.source);
  }
}
