import type { RequestMatcher } from "../match/request-match.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { LimitKind, RateLimitCounters } from "../telemetry/rate-limit-counters.ts";
import type { IdentityBuckets } from "./identity-buckets.ts";
import type { TokenBucket } from "./token-bucket.ts";

/** A limit of some requests; `bucket` is absent where they have none. */
export interface LimitRule {
  /** Whether there is a way to read the request in which it is one of them. */
  readonly mayMatch: RequestMatcher;
  /** Whether it is one of them in every way to read it. */
  readonly mustMatch: RequestMatcher;
  readonly bucket: TokenBucket | undefined;
}

/** A limit of some callers, which they share. */
export interface CallerOverride {
  readonly matches: (uri: string) => boolean;
  readonly bucket: TokenBucket | undefined;
}

export interface RequestLimitsOptions {
  readonly counts: RateLimitCounters;
  /** Whether who is not let through is refused, or only counted. */
  readonly isEnforced: boolean;
  readonly listener: TokenBucket | undefined;
  /** Whether the listener's counts what rules and routes count as well. */
  readonly countsAll: boolean;
  readonly rules: readonly LimitRule[];
  /** Of routes by their names; undefined where a route has none. */
  readonly routes: ReadonlyMap<string, TokenBucket | undefined>;
  readonly identities: IdentityBuckets | undefined;
  readonly overrides: readonly CallerOverride[];
}

/** What is known of one caller as long as these limits last. */
export interface LimitedCaller {
  readonly uri: string;
  readonly override: CallerOverride | undefined;
}

/**
 * The limits of one listener's requests, compiled. A request is let through when all that count it have a token, and takes one of each;
 * otherwise it takes none, so that who is held up by one limit uses up no other. Nothing is allocated for a request.
 */
export class RequestLimits {
  readonly #options: RequestLimitsOptions;
  /** Those that count the request at hand, and what they are about; used again for the next. */
  readonly #buckets: TokenBucket[] = [];
  readonly #kinds: LimitKind[] = [];
  #length = 0;
  /** Of the last request. */
  #waitMs = 0;

  constructor(options: RequestLimitsOptions) {
    this.#options = options;
  }

  get identities(): number {
    return this.#options.identities?.size ?? 0;
  }

  callerOf(uri: string): LimitedCaller {
    return { uri, override: this.#options.overrides.find(({ matches }) => matches(uri)) };
  }

  /** Whether a canonical request is let through; `route` is the name of the one that it takes, empty for none. */
  take(head: RequestHead, route: string, caller: LimitedCaller | undefined, nowMs: number): boolean {
    this.#collect(head, route, caller, nowMs);
    let kind: LimitKind | undefined;
    this.#waitMs = 0;
    for (let i = 0; i < this.#length; i++) {
      const bucket = this.#buckets[i];
      if (bucket === undefined || bucket.has(nowMs)) continue;
      kind ??= this.#kinds[i];
      this.#waitMs = Math.max(this.#waitMs, bucket.waitMs);
    }
    const { counts, isEnforced } = this.#options;
    if (kind !== undefined) {
      if (isEnforced) counts.limited[kind]++;
      else counts.shadow[kind]++;
      return false;
    }
    for (let i = 0; i < this.#length; i++) {
      this.#buckets[i]?.take();
      const counted = this.#kinds[i];
      if (counted !== undefined) counts.allowed[counted]++;
    }
    return true;
  }

  /** How long the last request that was not let through would have to wait. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** Of the limits that counted the last request the one with the least left, and what it is about. */
  nearest(): { readonly bucket: TokenBucket; readonly kind: LimitKind } | undefined {
    let least = 0;
    for (let i = 1; i < this.#length; i++) {
      if ((this.#buckets[i]?.remaining ?? 0) < (this.#buckets[least]?.remaining ?? 0)) least = i;
    }
    const bucket = this.#buckets[least];
    const kind = this.#kinds[least];
    return this.#length === 0 || bucket === undefined || kind === undefined ? undefined : { bucket, kind };
  }

  #collect(head: RequestHead, route: string, caller: LimitedCaller | undefined, nowMs: number): void {
    const { listener, countsAll, identities, routes } = this.#options;
    this.#length = 0;
    if (caller?.override !== undefined) this.#add(caller.override.bucket, "identity");
    else if (caller !== undefined) this.#add(identities?.bucketOf(caller.uri, nowMs), "identity");
    const hasOwn = routes.has(route);
    if (hasOwn) this.#add(routes.get(route), "route");
    const isCounted = hasOwn || this.#addRules(head);
    if (countsAll || !isCounted) this.#add(listener, "listener");
  }

  /**
   * The first rule that a request meets counts it. While that depends on how the request is read, the next ones that it may meet do as
   * well, and the listener's limit in the end, so no spelling of a path gets around any of them. Whether a rule surely counts it.
   */
  #addRules(head: RequestHead): boolean {
    const { rules } = this.#options;
    const { block } = head;
    if (rules.length === 0) return false;
    if (block.decidedBy === this && block.decided instanceof MetRules) return this.#addMet(block.decided);
    if (block.isShared) return this.#addMet(this.#remember(head));
    for (const { mayMatch, mustMatch, bucket } of rules) {
      if (!mayMatch(head)) continue;
      this.#add(bucket, "route");
      if (mustMatch(head)) return true;
    }
    return false;
  }

  #addMet({ buckets, isSure }: MetRules): boolean {
    for (const bucket of buckets) this.#add(bucket, "route");
    return isSure;
  }

  /** A head that repeats is compared once. */
  #remember(head: RequestHead): MetRules {
    const met = this.#options.rules.filter(({ mayMatch }) => mayMatch(head));
    const sure = met.findIndex(({ mustMatch }) => mustMatch(head));
    const counting = sure < 0 ? met : met.slice(0, sure + 1);
    const remembered = new MetRules(
      counting.map(({ bucket }) => bucket),
      sure >= 0,
    );
    head.block.decided = remembered;
    head.block.decidedBy = this;
    return remembered;
  }

  /** Each bucket once: two rules that say the same share theirs. */
  #add(bucket: TokenBucket | undefined, kind: LimitKind): void {
    if (bucket === undefined) return;
    for (let i = 0; i < this.#length; i++) if (this.#buckets[i] === bucket) return;
    this.#buckets[this.#length] = bucket;
    this.#kinds[this.#length++] = kind;
  }
}

/** The rules that count a request, and whether one of them surely does. */
class MetRules {
  readonly buckets: readonly (TokenBucket | undefined)[];
  readonly isSure: boolean;

  constructor(buckets: readonly (TokenBucket | undefined)[], isSure: boolean) {
    this.buckets = buckets;
    this.isSure = isSure;
  }
}
