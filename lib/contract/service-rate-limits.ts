/** `RateLimits` of a `service-defaults` entry: how many requests each instance of the service takes. */
export interface ServiceRateLimits {
  readonly InstanceLevel: InstanceRateLimits;
}

export interface InstanceRateLimits extends RateLimit {
  /** The first that a request meets holds for it in place of the limit above. */
  readonly Routes: readonly RouteRateLimit[];
}

/** Exactly one of the paths is not empty. */
export interface RouteRateLimit extends RateLimit {
  readonly PathExact: string;
  readonly PathPrefix: string;
  readonly PathRegex: string;
}

export interface RateLimit {
  /** 0 for no limit. */
  readonly RequestsPerSecond: number;
  /** So many at once; 0 for as many as come in a second. */
  readonly RequestsMaxBurst: number;
}
