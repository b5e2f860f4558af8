import { zeroes } from "./zeroes.ts";

/** What limits of rate are about: the listener, one of its routes or rules, one caller, connections. */
export const limitKinds = ["listener", "route", "identity", "connection"] as const;
export type LimitKind = (typeof limitKinds)[number];

/** What became of requests and connections that a limit counts. One that is refused is counted by the first limit that it met only. */
export class RateLimitCounters {
  readonly allowed: Record<LimitKind, number> = zeroes(limitKinds);
  readonly limited: Record<LimitKind, number> = zeroes(limitKinds);
  /** Let through though they would have been refused, were the limit not only tried out. */
  readonly shadow: Record<LimitKind, number> = zeroes(limitKinds);
}
