import type { FastifyReply } from "fastify";
import type { Leadership } from "../log/replicated-log.ts";

/**
 * What Consul's agents tell of `?cached` answers. Theirs come from a cache that a watch keeps fresh; ours come from the state
 * itself, which never is older: the first answer to a question is a miss, later ones are hits, and their age is how long this
 * server has been without its leader.
 */
export interface CacheMarks {
  mark(reply: FastifyReply, key: string, leadership: Pick<Leadership, "isLeader" | "lastContactMs">): void;
}

const maxRemembered = 4_096;

export function createCacheMarks(): CacheMarks {
  const asked = new Set<string>();
  return {
    mark(reply, key, { isLeader, lastContactMs }) {
      const isHit = asked.has(key);
      reply.raw.setHeader("X-Cache", isHit ? "HIT" : "MISS");
      if (isHit) reply.raw.setHeader("Age", String(isLeader ? 0 : Math.floor(lastContactMs / 1_000)));
      asked.delete(key);
      asked.add(key);
      const [oldest] = asked;
      if (asked.size > maxRemembered && oldest !== undefined) asked.delete(oldest);
    },
  };
}
