import type { FastifyReply, FastifyRequest } from "fastify";
import type { Authorizer } from "../../lib/acl/authorizer.ts";
import { createSight, type Sight } from "../../lib/acl/sight.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { encodeJson, isPretty, sendJsonBytes } from "../../lib/http/answers.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { setReadHeaders } from "../../lib/http/read-headers.ts";
import { parseReadQuery } from "../../lib/http/read-query.ts";
import type { ReadQuery } from "../../lib/http/read-query.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { CatalogServer } from "../server-api.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { createAnswerCache } from "./answer-cache.ts";

/** One kind of read: what to ask of the state, and the JSON of what came back. */
export interface ReadSpec<T> {
  /** Throws `PERMISSION_DENIED` for who may not read this at all: asked before the read, and again when a wait is over. */
  readonly requires?: (authorizer: Authorizer) => void;
  readonly query: (reader: StateReader, parameters: ReadQuery) => Read<T>;
  /**
   * Called only when no watcher of the same URL with the same rights was answered with this very value before: it depends on
   * nothing else. Lists go through `sight` before anything else looks at their entries. May throw `NOT_FOUND` or
   * `PERMISSION_DENIED`.
   */
  readonly body: (value: T, parameters: ReadQuery, sight: Sight) => unknown;
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

export interface ReadEndpointOptions {
  readonly server: CatalogServer;
  readonly runtime: Runtime;
  readonly authorize: (request: FastifyRequest) => Authorizer;
}

export function createReadEndpoint(options: ReadEndpointOptions): ReadEndpoint {
  const { server, runtime, authorize } = options;
  const cache = createAnswerCache(cacheLimits);
  /** Answers from which something was left out that the caller may not see. */
  const filtered = new WeakSet<Buffer>();

  const read: ReadEndpoint["read"] = async (request, reply, query) => {
    const parameters = parseReadQuery(request, { datacenter: server.datacenter, random: runtime.random });
    const consistency = request.freshness ?? (await reachConsistency(options, parameters, reply));
    const result =
      parameters.minIndex === 0
        ? query(server.reader, parameters)
        : await waitForChange(server, { parameters, query, consistency, signal: requestSignal(reply) });
    const { leaderAddress, lastContactMs } = server.log.leadership();
    setReadHeaders(reply, {
      index: result.index,
      isLeaderKnown: leaderAddress !== "",
      // What was caught up with the leader is not older than the leader's own answer.
      lastContactMs: request.freshness === null ? lastContactMs : 0,
      consistency,
    });
    return { read: result, parameters };
  };

  return {
    read,
    async answer(request, reply, spec) {
      if (spec.requires !== undefined) spec.requires(authorize(request));
      const { read: result, parameters } = await read(request, reply, spec.query);
      // After the wait: the token may have lost its rights meanwhile.
      const authorizer = authorize(request);
      if (parameters.minIndex !== 0) spec.requires?.(authorizer);
      const key = `${answerKey(request, reply)} ${authorizer.key}`;
      const bytes = cache.get(key, result.value, () => {
        const sight = createSight(authorizer);
        const made = encodeJson(spec.body(result.value, parameters, sight), { isPretty: isPretty(reply) });
        if (sight.isFiltered()) filtered.add(made);
        return made;
      });
      if (filtered.has(bytes)) setFilteredHeader(request, reply);
      return sendJsonBytes(reply, bytes);
    },
  };
}

/**
 * Blocks until the value changes. A leader that stops leading hands its watchers on: it may be cut off from what changes
 * from now on, and they did not ask for a stale answer.
 */
async function waitForChange<T>(
  server: CatalogServer,
  wait: {
    readonly parameters: ReadQuery;
    readonly query: ReadSpec<T>["query"];
    readonly consistency: "leader" | "stale" | "consistent";
    readonly signal: AbortSignal;
  },
): Promise<Read<T>> {
  const { parameters, query, consistency } = wait;
  const { minIndex, waitMs } = parameters;
  const read = (signal: AbortSignal): Promise<Read<T>> =>
    server.blocking.read((reader) => query(reader, parameters), { minIndex, waitMs, signal });
  if (consistency === "stale") return read(wait.signal);
  const deposed = new AbortController();
  const abort = (): void => deposed.abort();
  wait.signal.addEventListener("abort", abort, { once: true });
  if (wait.signal.aborted) abort();
  const changes = server.log.onLeadershipChange(({ isLeader }) => {
    if (!isLeader) abort();
  });
  try {
    const result = await read(deposed.signal);
    if (server.log.leadership().isLeader || wait.signal.aborted) return result;
    throw new AtollError("NO_LEADER", "No cluster leader");
  } finally {
    changes.close();
    wait.signal.removeEventListener("abort", abort);
  }
}

/**
 * The default mode is answered by the leader from its memory: nobody else gets here with it. A consistent read first has
 * the leader make sure that it still is one; the log answers when it has applied what was committed by then. Its index is
 * not the state's: a new leader's first entry and changes of the membership leave the state where it was.
 */
async function reachConsistency(
  { server }: { readonly server: CatalogServer },
  parameters: ReadQuery,
  reply: FastifyReply,
): Promise<"leader" | "stale" | "consistent"> {
  const { consistency } = parameters;
  if (consistency === "stale") return "stale";
  if (!server.log.leadership().isLeader) throw new AtollError("NO_LEADER", "No cluster leader");
  if (consistency === "default") return "leader";
  await server.log.readIndex(requestSignal(reply));
  return "consistent";
}

/** Parameters that choose when and how fresh a read is answered or who asks, not what is answered. */
const timingParameters = [
  "index",
  "wait",
  "stale",
  "consistent",
  "cached",
  "max_stale",
  "dc",
  "datacenter",
  "near",
  "token",
];

function answerKey(request: FastifyRequest, reply: FastifyReply): string {
  const [path = ""] = request.url.split("?", 1);
  const query = path.length === request.url.length ? undefined : queryOf(request);
  for (const name of timingParameters) query?.delete(name);
  return `${isPretty(reply) ? "pretty" : "plain"} ${path}?${query?.toString() ?? ""}`;
}
