import { type Rate, TokenBucket } from "./token-bucket.ts";

/** Old identities that are looked at for one that can go. */
const maxLooks = 8;

/**
 * A bucket for each caller, by its SPIFFE URI. There are so many at most: a new caller gets the place of one that has rested for so long
 * that its bucket is full again, which is as good as a new one, so nothing is forgotten; while there is none, the one bucket that all such
 * callers share.
 */
export class IdentityBuckets {
  readonly #rate: Rate;
  readonly #maxIdentities: number;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #overflow: TokenBucket;

  constructor(rate: Rate, maxIdentities: number, nowMs: number) {
    this.#rate = rate;
    this.#maxIdentities = maxIdentities;
    this.#overflow = new TokenBucket(rate, nowMs);
  }

  /** Identities with a bucket of their own. */
  get size(): number {
    return this.#buckets.size;
  }

  bucketOf(uri: string, nowMs: number): TokenBucket {
    const known = this.#buckets.get(uri);
    if (known !== undefined) return known;
    if (this.#buckets.size >= this.#maxIdentities && !this.#makeRoom(nowMs)) return this.#overflow;
    const bucket = new TokenBucket(this.#rate, nowMs);
    this.#buckets.set(uri, bucket);
    return bucket;
  }

  /** Looks at the few that have not been looked at for longest; those that are in use go to the end of the row. */
  #makeRoom(nowMs: number): boolean {
    let looks = 0;
    for (const [uri, bucket] of this.#buckets) {
      if (looks++ === maxLooks) return false;
      this.#buckets.delete(uri);
      if (bucket.isFull(nowMs)) return true;
      this.#buckets.set(uri, bucket);
    }
    return false;
  }
}
