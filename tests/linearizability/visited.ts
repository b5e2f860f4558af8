/**
 * The configurations that the search has been in: which operations are placed, and the state they left. Coming to one
 * again by another order cannot end differently (Lowe's addition to Wing and Gong). Placed operations of unknown outcome
 * only take possibilities away, so a configuration is known already when one with the same completed operations, the same
 * state and fewer unknown ones is: without that, n unknown writes would cost 2^n.
 */
export class Visited<State> {
  readonly #buckets = new Map<number, { readonly placed: Uint32Array; readonly state: State }[]>();
  readonly #placed: Uint32Array;
  /** Bits of the operations whose outcome is unknown. */
  readonly #unknown: Uint32Array;
  readonly #equal: (a: State, b: State) => boolean;
  readonly #hash: (state: State) => number;
  /** Of the completed operations; kept up to date by one exclusive-or per change, a hit is confirmed by comparing. */
  #completedHash = 0;

  constructor(options: {
    readonly isUnknown: readonly boolean[];
    readonly equal: (a: State, b: State) => boolean;
    readonly hash: (state: State) => number;
  }) {
    const words = Math.ceil(options.isUnknown.length / 32);
    this.#placed = new Uint32Array(words);
    this.#unknown = new Uint32Array(words);
    options.isUnknown.forEach((isUnknown, id) => {
      if (isUnknown) flip(this.#unknown, id);
    });
    this.#equal = options.equal;
    this.#hash = options.hash;
  }

  /** Adds an operation to the placed ones, or takes it away again. */
  toggle(id: number): void {
    flip(this.#placed, id);
    const isUnknown = ((this.#unknown[id >>> 5] ?? 0) & (1 << (id & 31))) !== 0;
    if (!isUnknown) this.#completedHash ^= scatter(id + 1);
  }

  /** Whether the placed operations with this state are new; remembers them. */
  isNew(state: State): boolean {
    const key = this.#completedHash ^ scatter(this.#hash(state));
    const bucket = this.#buckets.get(key) ?? [];
    for (const seen of bucket) if (this.#isCoveredBy(seen.placed) && this.#equal(seen.state, state)) return false;
    bucket.push({ placed: this.#placed.slice(), state });
    this.#buckets.set(key, bucket);
    return true;
  }

  #isCoveredBy(other: Uint32Array): boolean {
    return this.#placed.every((mine, position) => {
      const theirs = other[position] ?? 0;
      const unknown = this.#unknown[position] ?? 0;
      return ((mine ^ theirs) & ~unknown) === 0 && (theirs & unknown & ~mine) === 0;
    });
  }
}

function flip(bits: Uint32Array, id: number): void {
  bits[id >>> 5] = (bits[id >>> 5] ?? 0) ^ (1 << (id & 31));
}

/** Spreads an integer over 32 bits (the finalizer of MurmurHash3). */
function scatter(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
