/**
 * Repeatable randomness: sfc32 (small, fast, 128 bits of state), seeded through splitmix32. `fork` gives each concern
 * (options, network, each disk, ...) its own stream, so that one more draw in one of them leaves all others as they were.
 */
export interface Rng {
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform in [0, limit). */
  below(limit: number): number;
  /** Uniform in [min, max], both included. */
  between(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** In an order of its own; `items` stays as it is. */
  shuffled<T>(items: readonly T[]): T[];
  exponential(mean: number): number;
  fork(name: string): Rng;
}

export function createRng(seed: string): Rng {
  return new Sfc32(seed);
}

/** A class, not closures: fuzzers make one for each of millions of cases. */
class Sfc32 implements Rng {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    const mix = splitmix32(hashText(seed));
    this.#a = mix();
    this.#b = mix();
    this.#c = mix();
    for (let i = 0; i < 12; i++) this.float();
  }

  float(): number {
    const b = this.#b;
    const c = this.#c;
    const result = (((this.#a + b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = b ^ (b >>> 9);
    this.#b = (c + (c << 3)) | 0;
    this.#c = (((c << 21) | (c >>> 11)) + result) | 0;
    return (result >>> 0) / 0x1_0000_0000;
  }

  below(limit: number): number {
    return Math.floor(this.float() * limit);
  }

  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    const result: T[] = [];
    while (left.length > 0) result.push(...left.splice(this.below(left.length), 1));
    return result;
  }

  exponential(mean: number): number {
    return -Math.log(1 - this.float()) * mean;
  }

  fork(name: string): Rng {
    return createRng(`${this.#seed}/${name}`);
  }
}

/** FNV-1a over UTF-16 units, 32 bits; `from` chains several texts. */
export function hashText(text: string, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) | 0;
  };
}
