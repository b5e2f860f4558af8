import { sessionTtlMultiplier, type SessionRecord } from "../../lib/contract/sessions.ts";

/** When each session with a TTL is over, by a clock that never goes back. A leader begins with all of them anew. */
export interface SessionTimers {
  renew(session: SessionRecord, nowMs: number): void;
  /** Times begin for sessions that have none, and end with those that are gone. The same list as last time costs nothing. */
  follow(sessions: readonly SessionRecord[], nowMs: number): void;
  /** At most `limit` whose time is over. They stay until they are gone or renewed. */
  ended(nowMs: number, limit: number): readonly string[];
  /** The process stood still for so long: nobody could renew anything. */
  giveBack(ms: number): void;
  forget(): void;
}

export function createSessionTimers(): SessionTimers {
  const deadlines = new Map<string, number>();
  let followed: readonly SessionRecord[] = [];

  const renew = ({ ID, ttlMs }: SessionRecord, nowMs: number): void => {
    if (ttlMs > 0) deadlines.set(ID, nowMs + ttlMs * sessionTtlMultiplier);
  };
  return {
    renew,
    follow(sessions, nowMs) {
      if (sessions === followed) return;
      followed = sessions;
      const present = new Set<string>();
      for (const session of sessions) {
        present.add(session.ID);
        if (!deadlines.has(session.ID)) renew(session, nowMs);
      }
      for (const id of deadlines.keys()) if (!present.has(id)) deadlines.delete(id);
    },
    ended(nowMs, limit) {
      const ids: string[] = [];
      for (const [id, deadlineMs] of deadlines) {
        if (deadlineMs <= nowMs) ids.push(id);
        if (ids.length === limit) break;
      }
      return ids;
    },
    giveBack(ms) {
      for (const [id, deadlineMs] of deadlines) deadlines.set(id, deadlineMs + ms);
    },
    forget() {
      deadlines.clear();
      followed = [];
    },
  };
}
