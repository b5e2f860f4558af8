import type { FastifyReply, FastifyRequest } from "fastify";
import type { Runtime } from "../../lib/base/runtime.ts";
import { encodeJson, isPretty, sendJsonBytes } from "../../lib/http/answers.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { setReadHeaders } from "../../lib/http/read-headers.ts";
import { parseReadQuery } from "../../lib/http/read-query.ts";
import type { ReadQuery } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { CatalogServer } from "../server-api.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { createAnswerCache } from "./answer-cache.ts";

/** One kind of read: what to ask of the state, and the JSON of what came back. */
export interface ReadSpec<T> {
  readonly query: (reader: StateReader, parameters: ReadQuery) => Read<T>;
  /** Called only when no watcher of the same URL was answered with this very value before: it depends on nothing else. May throw `NOT_FOUND`. */
  readonly body: (value: T, parameters: ReadQuery) => unknown;
}

/** Answers reads: parameters, consistency, blocking, headers and the shared bytes, the same way for every route. */
export interface ReadEndpoint {
  answer<T>(request: FastifyRequest, reply: FastifyReply, spec: ReadSpec<T>): Promise<FastifyReply>;
  /** The same up to the body, for answers that are not JSON; the caller sends the reply. */
  read<T>(request: FastifyRequest, reply: FastifyReply, query: ReadSpec<T>["query"]): Promise<AnsweredRead<T>>;
}

export interface AnsweredRead<T> {
  readonly read: Read<T>;
  readonly parameters: ReadQuery;
}

const cacheLimits = { maxEntries: 1_024, maxBytes: 32 * 1024 * 1024 };

export function createReadEndpoint(options: { server: CatalogServer; runtime: Runtime }): ReadEndpoint {
  const { server, runtime } = options;
  const cache = createAnswerCache(cacheLimits);

  const read: ReadEndpoint["read"] = async (request, reply, query) => {
    const parameters = parseReadQuery(request, { datacenter: server.datacenter, random: runtime.random });
    const consistency = await reachConsistency(server, parameters, reply);
    const result =
      parameters.minIndex === 0
        ? query(server.reader, parameters)
        : await server.blocking.read((reader) => query(reader, parameters), {
            minIndex: parameters.minIndex,
            waitMs: parameters.waitMs,
            signal: requestSignal(reply),
          });
    const { leaderAddress, lastContactMs } = server.log.leadership();
    setReadHeaders(reply, { index: result.index, isLeaderKnown: leaderAddress !== "", lastContactMs, consistency });
    return { read: result, parameters };
  };

  return {
    read,
    async answer(request, reply, spec) {
      const { read: result, parameters } = await read(request, reply, spec.query);
      const key = answerKey(request, reply);
      const bytes = cache.get(key, result.value, () =>
        encodeJson(spec.body(result.value, parameters), { isPretty: isPretty(reply) }),
      );
      return sendJsonBytes(reply, bytes);
    },
  };
}

/** The default mode is answered by the leader from its memory; anyone else first learns how far the leader is. */
async function reachConsistency(
  server: CatalogServer,
  parameters: ReadQuery,
  reply: FastifyReply,
): Promise<"leader" | "stale" | "consistent"> {
  const { consistency } = parameters;
  if (consistency === "stale") return "stale";
  if (consistency === "consistent" || !server.log.leadership().isLeader) {
    await server.log.readIndex(requestSignal(reply));
  }
  return consistency === "consistent" ? "consistent" : "leader";
}

/** Parameters that choose when and how fresh a read is answered, not what it answers. */
const timingParameters = ["index", "wait", "stale", "consistent", "cached", "max_stale", "dc", "datacenter", "near"];

function answerKey(request: FastifyRequest, reply: FastifyReply): string {
  const [path = ""] = request.url.split("?", 1);
  const query = path.length === request.url.length ? undefined : queryOf(request);
  for (const name of timingParameters) query?.delete(name);
  return `${isPretty(reply) ? "pretty" : "plain"} ${path}?${query?.toString() ?? ""}`;
}
