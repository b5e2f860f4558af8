import type { FastifyReply, FastifyRequest } from "fastify";
import type { Authorizer } from "../../lib/acl/authorizer.ts";
import { createSight, type Sight } from "../../lib/acl/sight.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { encodeJson, isPretty, sendJsonBody } from "../../lib/http/answers.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { setReadHeaders } from "../../lib/http/read-headers.ts";
import { parseReadQuery } from "../../lib/http/read-query.ts";
import type { QueryWaits, ReadQuery } from "../../lib/http/read-query.ts";
import { nodeHeader } from "../../lib/http/relay.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import type { SharedBody } from "../../lib/http/shared-body.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { CatalogServer } from "../server-api.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { createAnswerCache } from "./answer-cache.ts";
import { createCacheMarks } from "./cache-marks.ts";
import { type Asker, offerHotRead } from "./hot-reads.ts";
import { sortByDistance } from "./distance.ts";
import type { RecordFilter } from "../../lib/http/record-filter.ts";

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
  /** Agents of Consul answer `?cached` from memory: `X-Cache` and `Age` are told. */
  readonly isCacheable?: boolean;
}

/**
 * A list of records: those that the state has for the request, without those that the token may not see, without those that
 * `?filter` does not match, sorted by `?near`, in the shape that is answered.
 */
export interface ListSpec<T, R> extends Omit<ReadSpec<T>, "body"> {
  readonly records: (value: T, parameters: ReadQuery, sight: Sight) => readonly R[];
  readonly filter: RecordFilter<R>;
  /** The node that a record belongs to; absent where `?near` means nothing. */
  readonly nodeOf?: (record: R) => string;
  readonly shape: (records: readonly R[], value: T, sight: Sight) => unknown;
}

/** Answers reads: parameters, consistency, blocking, headers and the shared bytes, the same way for every route. */
export interface ReadEndpoint {
  answer<T>(request: FastifyRequest, reply: FastifyReply, spec: ReadSpec<T>): Promise<FastifyReply>;
  list<T, R>(request: FastifyRequest, reply: FastifyReply, spec: ListSpec<T, R>): Promise<FastifyReply>;
  /** The same up to the body, for answers that are not JSON; the caller sends the reply. */
  read<T>(request: FastifyRequest, reply: FastifyReply, query: ReadSpec<T>["query"]): Promise<AnsweredRead<T>>;
}

export interface AnsweredRead<T> {
  readonly read: Read<T>;
  readonly parameters: ReadQuery;
}

export interface ReadEndpointOptions {
  readonly server: CatalogServer;
  readonly authorize: (asker: Asker) => Authorizer;
  readonly runtime: Runtime;
  readonly waits: QueryWaits;
  /** What `?near=_agent` means. */
  readonly nodeName?: string;
}

const cacheLimits = { maxEntries: 1_024, maxBytes: 32 * 1024 * 1024 };

export function createReadEndpoint(options: ReadEndpointOptions): ReadEndpoint {
  const { server, runtime, authorize, waits } = options;
  const cache = createAnswerCache(cacheLimits);
  /** Answers from which something was left out that the caller may not see. */
  const filtered = new WeakSet<SharedBody>();
  const marks = createCacheMarks();
  const parse = (request: FastifyRequest): ReadQuery => {
    const parameters = parseReadQuery(request, { datacenter: server.datacenter, random: runtime.random, waits });
    if (parameters.near !== "_agent") return parameters;
    return { ...parameters, near: String(request.headers[nodeHeader] ?? options.nodeName ?? "") };
  };

  const readWith = async <T>(
    { request, reply, parameters }: Asked,
    query: ReadSpec<T>["query"],
  ): Promise<AnsweredRead<T>> => {
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

  const send = async <T>(asked: Asked, spec: ReadSpec<T>): Promise<FastifyReply> => {
    const { request, reply, parameters } = asked;
    // Before the wait, since whoever waits together is answered together.
    const key = answerKey(request, reply);
    if (spec.requires !== undefined) spec.requires(authorize(request));
    const { read } = await readWith(asked, spec.query);
    // After the wait: the token may have lost its rights meanwhile.
    const authorizer = authorize(request);
    if (parameters.minIndex !== 0) spec.requires?.(authorizer);
    if (parameters.isCached && spec.isCacheable === true) marks.mark(reply, key, server.log.leadership());
    const rightsKey = `${withPlaces(key, server.reader, parameters)} ${authorizer.key}`;
    let isFiltered = false;
    const body = cache.get(rightsKey, read.value, () => {
      const sight = createSight(authorizer);
      const bytes = encodeJson(spec.body(read.value, parameters, sight), { isPretty: isPretty(reply) });
      isFiltered = sight.isFiltered();
      return bytes;
    });
    if (isFiltered) filtered.add(body);
    if (filtered.has(body)) setFilteredHeader(request, reply);
    const query = (reader: StateReader): Read<T> => spec.query(reader, parameters);
    sendJsonBody(reply, body);
    offerHotRead(options, { request, reply, parameters, query, read, body });
    return reply;
  };

  return {
    read: (request, reply, query) => readWith({ request, reply, parameters: parse(request) }, query),
    answer: (request, reply, spec) => send({ request, reply, parameters: parse(request) }, spec),
    async list(request, reply, spec) {
      const parameters = parse(request);
      spec.filter.check(parameters.filter);
      return send(
        { request, reply, parameters },
        {
          ...spec,
          body: (value, _parameters, sight) =>
            spec.shape(recordsOf(spec, { value, parameters, sight, reader: server.reader }), value, sight),
        },
      );
    },
  };
}

interface Asked {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly parameters: ReadQuery;
}

function recordsOf<T, R>(
  spec: ListSpec<T, R>,
  of: { readonly value: T; readonly parameters: ReadQuery; readonly sight: Sight; readonly reader: StateReader },
): readonly R[] {
  const { value, parameters, sight, reader } = of;
  const all = spec.records(value, parameters, sight);
  const matching = spec.filter.apply(all, parameters.filter);
  const { near } = parameters;
  if (near === "" || spec.nodeOf === undefined) return matching;
  return sortByDistance(matching, { near, nodeOf: spec.nodeOf, coordinates: reader.coordinates().value });
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

/** Parameters that choose when and how fresh a read is answered, not what it answers. */
const timingParameters = ["index", "wait", "stale", "consistent", "cached", "max_stale", "dc", "datacenter"];

function answerKey(request: FastifyRequest, reply: FastifyReply): string {
  const [path = ""] = request.url.split("?", 1);
  const query = path.length === request.url.length ? undefined : queryOf(request);
  for (const name of timingParameters) query?.delete(name);
  return `${isPretty(reply) ? "pretty" : "plain"} ${path}?${query?.toString() ?? ""}`;
}

/** What is sorted by distance depends on the coordinates too, which nobody is woken by, and `_agent` on who was asked. */
function withPlaces(key: string, reader: StateReader, { near }: ReadQuery): string {
  return near === "" ? key : `${key} ${near} ${reader.coordinates().index}`;
}
