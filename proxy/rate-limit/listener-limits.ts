import { isDeepStrictEqual } from "node:util";
import type { InboundRateLimit, OutboundRateLimit } from "../../lib/contract/proxy-rate-limit.ts";
import { RateLimitCounters } from "../telemetry/rate-limit-counters.ts";
import { compileLimits, type LimitedRoute } from "./compile-limits.ts";
import { KeptBuckets, type KeptBucketsOptions } from "./kept-buckets.ts";
import type { RequestLimits } from "./request-limits.ts";
import type { TokenBucket } from "./token-bucket.ts";

/**
 * The door of this folder: what one listener lets through of requests, by way of `RateLimitedPolicy`, and of connections. When its
 * settings change, a limit that stays as it was keeps what it has counted.
 */
export class ListenerLimits {
  readonly counts = new RateLimitCounters();
  readonly #options: KeptBucketsOptions;
  readonly #kept: KeptBuckets;
  #settings: readonly [InboundRateLimit | OutboundRateLimit, readonly LimitedRoute[]];
  #requests: RequestLimits | undefined;
  #connections: TokenBucket | undefined;

  constructor(
    options: KeptBucketsOptions,
    config: InboundRateLimit | OutboundRateLimit,
    routes: readonly LimitedRoute[] = [],
  ) {
    this.#options = options;
    this.#kept = new KeptBuckets(options);
    this.#settings = [config, limitsOf(routes)];
    this.#compile();
  }

  /** Undefined while requests have no limit. */
  get requests(): RequestLimits | undefined {
    return this.#requests;
  }

  get config(): InboundRateLimit | OutboundRateLimit {
    return this.#settings[0];
  }

  get isOn(): boolean {
    return this.#requests !== undefined || this.#connections !== undefined;
  }

  get nowMs(): number {
    return this.#options.monotonicMs();
  }

  /** Takes new settings: at once, for connections that stand as well. */
  update(config: InboundRateLimit | OutboundRateLimit, routes: readonly LimitedRoute[] = []): void {
    const settings = [config, limitsOf(routes)] as const;
    if (isDeepStrictEqual(settings, this.#settings)) return;
    this.#settings = settings;
    this.#compile();
  }

  /** Whether one more connection is accepted. */
  takeConnection(): boolean {
    const bucket = this.#connections;
    if (bucket === undefined) return true;
    const { counts } = this;
    if (bucket.has(this.nowMs)) {
      bucket.take();
      counts.allowed.connection++;
      return true;
    }
    const { enforce } = this.config;
    if (enforce) counts.limited.connection++;
    else counts.shadow.connection++;
    return !enforce;
  }

  #compile(): void {
    const [config, routes] = this.#settings;
    const { perSecond: requestsPerSecond, burst } = config.connections;
    this.#kept.renew((wanted) => {
      this.#connections = wanted.bucket("connections", { requestsPerSecond, burst });
      this.#requests = compileLimits(config, routes, wanted, this.counts);
    });
  }
}

function limitsOf(routes: readonly LimitedRoute[]): readonly LimitedRoute[] {
  return routes.flatMap(({ name, rateLimit }) => (rateLimit === undefined ? [] : [{ name, rateLimit }]));
}
