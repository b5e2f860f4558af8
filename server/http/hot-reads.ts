import type { FastifyReply, FastifyRequest } from "fastify";
import type { Authorizer } from "../../lib/acl/authorizer.ts";
import { relayedHeader } from "../../lib/http/default-token.ts";
import type { HotAnswer } from "../../lib/http/hot-answers.ts";
import { consulSpelling } from "../../lib/http/relay.ts";
import type { ReadQuery } from "../../lib/http/read-query.ts";
import type { SharedBody } from "../../lib/http/shared-body.ts";
import type { CatalogServer } from "../server-api.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { isSameValue } from "./answer-cache.ts";

/** Of a request, what says who asks. */
export type Asker = Pick<FastifyRequest, "headers" | "url">;

export interface HotReadsOptions {
  readonly server: Pick<CatalogServer, "reader" | "log">;
  readonly authorize: (asker: Asker) => Authorizer;
}

/** A read that was just answered, with all headers set. */
export interface AnsweredHotRead {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly parameters: ReadQuery;
  readonly query: (reader: StateReader) => Read<unknown>;
  readonly read: Read<unknown>;
  readonly body: SharedBody;
}

/**
 * Offers an answer for being given again without the router (lib/http/hot-answers.ts), if it is one that depends on the
 * state alone: not blocking, not verified with other servers, not sorted by distance.
 */
export function offerHotRead(options: HotReadsOptions, answered: AnsweredHotRead): void {
  const { request, reply, parameters } = answered;
  const isPlain =
    request.method === "GET" &&
    parameters.minIndex === 0 &&
    parameters.consistency !== "consistent" &&
    !parameters.isCached &&
    !parameters.hasMaxStale &&
    parameters.near === "" &&
    request.freshness === null &&
    // Without a token one of another process is the anonymous one's, and one of this process the agent's default one's.
    (request.headers[relayedHeader] === undefined || hasToken(request)) &&
    !reply.server.openRequests.isClosing();
  if (isPlain) reply.server.hotAnswers.keep(request.url, () => hotRead(options, answered));
}

function hotRead({ server, authorize }: HotReadsOptions, answered: AnsweredHotRead): HotAnswer {
  const { request, reply, parameters, query, body } = answered;
  const { openRequests, countAnswer } = reply.server;
  const { log, reader } = server;
  const { key } = authorize(request);
  const hadToken = hasToken(request);
  const isStale = parameters.consistency === "stale";
  const fixed = fixedHeaders(reply);
  let { read } = answered;
  let stateIndex = reader.appliedIndex();

  /** The state is a function of the log: as long as nothing was applied it is the same. */
  const isCurrent = (): boolean => {
    const nowIndex = reader.appliedIndex();
    if (nowIndex === stateIndex) return true;
    const now = query(reader);
    if (!isSameValue(now.value, read.value)) return false;
    read = now;
    stateIndex = nowIndex;
    return true;
  };
  return {
    body,
    key: `${hadToken} ${key}`,
    isFor: (incoming) => {
      const asker = { headers: incoming.headers, url: request.url };
      return hasToken(asker) === hadToken && keyOf(authorize, asker) === key;
    },
    head() {
      const { isLeader, leaderAddress, lastContactMs } = log.leadership();
      if ((!isLeader && !isStale) || openRequests.isClosing() || !isCurrent()) return undefined;
      return [
        ...["X-Consul-Index", String(Math.max(1, read.index))],
        ...["X-Consul-KnownLeader", leaderAddress === "" ? "false" : "true"],
        ...["X-Consul-LastContact", String(Math.max(0, Math.floor(lastContactMs)))],
        ...fixed,
      ];
    },
    count: countAnswer("GET", request.routeOptions.url ?? "unmatched", 200),
  };
}

/** Those that are said anew each time, and those of the body. */
const changing = new Set(
  ["X-Consul-Index", "X-Consul-KnownLeader", "X-Consul-LastContact", "Content-Length", "Content-Encoding"].map((name) =>
    name.toLowerCase(),
  ),
);

function fixedHeaders({ raw }: FastifyReply): string[] {
  return Object.entries(raw.getHeaders()).flatMap(([name, value]) =>
    changing.has(name.toLowerCase()) || value === undefined ? [] : [consulSpelling(name), String(value)],
  );
}

/** Whether one was sent at all is told in the headers of a filtered answer. */
function hasToken({ headers, url }: Asker): boolean {
  return headers["x-consul-token"] !== undefined || headers.authorization !== undefined || url.includes("token=");
}

/** Undefined for a token that is refused: the router says so. */
function keyOf(authorize: HotReadsOptions["authorize"], asker: Asker): string | undefined {
  try {
    return authorize(asker).key;
  } catch {
    return undefined;
  }
}
