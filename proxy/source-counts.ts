/** Open connections by where they come from. It has as many entries as there are connections at most. */
export class SourceCounts {
  readonly #open = new Map<string, number>();

  /** False, and nothing is counted, when `source` has `max` already. */
  enter(source: string, max: number): boolean {
    const open = this.#open.get(source) ?? 0;
    if (open >= max) return false;
    this.#open.set(source, open + 1);
    return true;
  }

  leave(source: string): void {
    const open = this.#open.get(source) ?? 0;
    if (open > 1) this.#open.set(source, open - 1);
    else this.#open.delete(source);
  }
}
