import type { SessionRecord } from "../../lib/contract/sessions.ts";

/**
 * What only the leader's clock can say of sessions and locks. A leader that has just been elected first applies all that was
 * committed before it. Rejects with `NO_LEADER` on any other server.
 */
export interface Locks {
  /** Resolves when the state holds all that was committed before this server led: the others wait for it by themselves. */
  ready(): Promise<void>;
  /** Begins the TTL of a session anew; undefined when there is no such session. */
  renewSession(id: string): Promise<SessionRecord | undefined>;
  /** Whether the key was held by a session that ended so short a time ago that nobody may lock it yet. */
  isDelayed(key: string): Promise<boolean>;
}
