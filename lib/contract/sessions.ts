import type { Indexed } from "./catalog.ts";
import { nodeLivenessCheckId } from "./catalog.ts";

/** What happens to the keys that a session holds when it ends. */
export const sessionBehaviors = ["release", "delete"] as const;
export type SessionBehavior = (typeof sessionBehaviors)[number];

/** Somebody on a node who can hold locks for as long as the node, the checks and, where it has one, its TTL last. */
export interface SessionFields {
  readonly ID: string;
  readonly Name: string;
  readonly Node: string;
  /** Nobody gets a key for so long after the session that held it has ended otherwise than by releasing it. */
  readonly lockDelayMs: number;
  readonly Behavior: SessionBehavior;
  /** As it was asked for; empty for none. */
  readonly TTL: string;
  /** 0 for none. */
  readonly ttlMs: number;
  /** Checks of the node, by their IDs. */
  readonly NodeChecks: readonly string[];
  /** Checks of services there. */
  readonly ServiceChecks: readonly string[];
}
export type SessionRecord = SessionFields & Indexed;

/** A key that nobody may lock until the leader's clock says so. */
export interface LockDelay {
  readonly key: string;
  readonly delayMs: number;
  /** Of the command that ended the session: a later delay of the same key is another one. */
  readonly index: number;
}

export const defaultLockDelayMs = 15_000;
export const maxLockDelayMs = 60_000;
/** The shortest one is a matter of configuration: request-limits.ts. */
export const maxSessionTtlMs = 24 * 3_600_000;
/** A session lasts this many times its TTL after the last renewal: clocks and networks are late at times. */
export const sessionTtlMultiplier = 2;
export const defaultSessionChecks: readonly string[] = [nodeLivenessCheckId];

export function sessionCheckIds(session: Pick<SessionFields, "NodeChecks" | "ServiceChecks">): readonly string[] {
  return [...session.NodeChecks, ...session.ServiceChecks];
}
