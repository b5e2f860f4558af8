import type { SessionRecord } from "../../lib/contract/sessions.ts";

/** What only the leader's clock can say of sessions and locks; meaningless on any other server. */
export interface Locks {
  /** Begins the TTL of a session anew; undefined when there is no such session. */
  renewSession(id: string): SessionRecord | undefined;
  /** Whether the key was held by a session that ended so short a time ago that nobody may lock it yet. */
  isDelayed(key: string): boolean;
}
