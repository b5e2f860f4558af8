/** Buckets that a doubling of the latency is divided into: each is 4.4 % wide. */
const perOctave = 16;
/** From a microsecond to two minutes; what is beyond counts as the last of them. */
const lowestMs = 2 ** -10;
const octaves = 27;
const size = perOctave * octaves;

/** The latencies of some requests, as counts in buckets whose width grows with the latency: adding one allocates nothing. */
export class LatencyWindow {
  readonly #buckets = new Uint32Array(size);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(latencyMs: number): void {
    const at = latencyMs <= lowestMs ? 0 : Math.min(size - 1, Math.floor(Math.log2(latencyMs / lowestMs) * perOctave));
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#count++;
  }

  /** The latency that `percent` of them do not exceed, within 2.2 %; 0 when there are none. */
  percentileMs(percent: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#count));
    let seen = 0;
    let at = 0;
    for (; at < size; at++) {
      seen += this.#buckets[at] ?? 0;
      if (seen >= rank) break;
    }
    return lowestMs * 2 ** ((at + 0.5) / perOctave);
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
  }
}
