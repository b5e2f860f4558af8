/**
 * Decides which of the things that hash to a slot are worth a copy: what comes the second time, since most that come once never
 * come again. The hash reads samples, so things that differ between them look alike; these are tried again at the 4th, 8th,
 * 16th time and so on, which keeps the copies made in vain few.
 */
export class Sightings {
  readonly #hashes: Int32Array;
  readonly #counts: Int32Array;

  constructor(slotCount: number) {
    this.#hashes = new Int32Array(slotCount);
    this.#counts = new Int32Array(slotCount);
  }

  /** One more of `hash`, which is not 0, was seen in `slot`. */
  isWorthKeeping(slot: number, hash: number): boolean {
    if (this.#hashes[slot] !== hash) {
      this.#hashes[slot] = hash;
      this.#counts[slot] = 1;
      return false;
    }
    const count = ((this.#counts[slot] ?? 0) + 1) & 0x3fff_ffff;
    this.#counts[slot] = count;
    return (count & (count - 1)) === 0;
  }
}
