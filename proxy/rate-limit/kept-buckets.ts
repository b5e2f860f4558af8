import { IdentityBuckets } from "./identity-buckets.ts";
import { type Rate, TokenBucket } from "./token-bucket.ts";

export interface KeptBucketsOptions {
  readonly monotonicMs: () => number;
  /** Processes that share the listener: each has its part of every rate, so that all of them together keep it. */
  readonly processes: number;
}

/** As documents say it; a rate of 0 is no limit. */
interface Rated {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

/** The buckets of one listener. Those that are wanted again, for the same and as large, stay as full as they are. */
export class KeptBuckets {
  readonly #options: KeptBucketsOptions;
  #buckets = new Map<string, TokenBucket>();
  #identities = new Map<string, IdentityBuckets>();

  constructor(options: KeptBucketsOptions) {
    this.#options = options;
  }

  /** Lets go of the buckets that `compile` does not ask for. */
  renew<T>(compile: (wanted: WantedBuckets) => T): T {
    const [buckets, identities] = [this.#buckets, this.#identities];
    this.#buckets = new Map();
    this.#identities = new Map();
    return compile({
      bucket: (what, rated) => {
        const rate = this.#part(rated);
        if (rate === undefined) return undefined;
        const key = `${what} ${rate.perSecond} ${rate.burst}`;
        const bucket = this.#buckets.get(key) ?? buckets.get(key) ?? new TokenBucket(rate, this.#options.monotonicMs());
        this.#buckets.set(key, bucket);
        return bucket;
      },
      identities: ({ maxIdentities, ...rated }) => {
        const rate = this.#part(rated);
        if (rate === undefined) return undefined;
        const key = `${maxIdentities} ${rate.perSecond} ${rate.burst}`;
        const nowMs = this.#options.monotonicMs();
        const kept = identities.get(key) ?? new IdentityBuckets(rate, maxIdentities, nowMs);
        this.#identities.set(key, kept);
        return kept;
      },
    });
  }

  #part({ requestsPerSecond, burst }: Rated): Rate | undefined {
    const { processes } = this.#options;
    if (requestsPerSecond === 0) return undefined;
    return { perSecond: requestsPerSecond / processes, burst: Math.max(1, Math.floor(burst / processes)) };
  }
}

export interface WantedBuckets {
  /** Of what is limited, by a text that says it; undefined when it has no limit. */
  bucket(what: string, rated: Rated): TokenBucket | undefined;
  identities(rated: Rated & { readonly maxIdentities: number }): IdentityBuckets | undefined;
}
