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
  const mix = splitmix32(hashText(seed));
  let a = mix();
  let b = mix();
  let c = mix();
  let counter = 1;
  const next = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    c |= 0;
    return result >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  const float = (): number => next() / 0x1_0000_0000;
  const below = (limit: number): number => Math.floor(float() * limit);
  return {
    float,
    below,
    between: (min, max) => min + below(max - min + 1),
    chance: (probability) => float() < probability,
    pick(items) {
      const item = items[below(items.length)];
      if (item === undefined) throw new RangeError("nothing to pick from");
      return item;
    },
    shuffled(items) {
      const left = [...items];
      const result: (typeof left)[number][] = [];
      while (left.length > 0) result.push(...left.splice(below(left.length), 1));
      return result;
    },
    exponential: (mean) => -Math.log(1 - float()) * mean,
    fork: (name) => createRng(`${seed}/${name}`),
  };
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
