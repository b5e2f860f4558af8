/** A connection with its work, as a listener sees it. */
export interface Member {
  /** Ends it as soon as nothing is lost by that. */
  drain(): void;
  destroy(): void;
  /** Rules have changed: ends the requests under way that they do not allow any more. */
  recheck?(): void;
  /** Called about once a second. */
  sweep(limits: SweepLimits): void;
}

export interface SweepLimits {
  readonly nowMs: number;
  readonly idleTimeoutMs: number;
  /** The same for one exchange. */
  readonly streamIdleTimeoutMs: number;
}

/** The open connections of one listener. */
export class ConnectionSet<T extends Member> {
  readonly #members = new Set<T>();

  get size(): number {
    return this.#members.size;
  }

  add(member: T): void {
    this.#members.add(member);
  }

  delete(member: T): void {
    this.#members.delete(member);
  }

  drain(): void {
    for (const member of [...this.#members]) member.drain();
  }

  destroy(): void {
    for (const member of [...this.#members]) member.destroy();
  }

  sweep(limits: SweepLimits): void {
    for (const member of [...this.#members]) member.sweep(limits);
  }

  [Symbol.iterator](): Iterator<T> {
    return [...this.#members][Symbol.iterator]();
  }
}
