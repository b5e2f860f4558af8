import type { Indexed } from "./catalog.ts";

/** How the certificate authority signs, replicated so that every server does the same. */
export interface AuthorityConfig {
  /** How long certificates of services and agents are good for; what was signed before keeps its time. */
  readonly leafTtlMs: number;
  /** Signatures of one server a second; 0 for no limit. */
  readonly signaturesPerSecond: number;
}
export type AuthorityConfigRecord = AuthorityConfig & Indexed;

/** Leaves last a day where Consul's last three: what was stolen is of use for less long. */
export const defaultAuthorityConfig: AuthorityConfig = { leafTtlMs: 24 * 3_600_000, signaturesPerSecond: 50 };

export const leafTtlBoundsMs = { min: 3_600_000, max: 365 * 24 * 3_600_000 } as const;
