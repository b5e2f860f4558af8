/**
 * Who answers a request: the leader, unless staleness is asked for. A following server answers a read of the state itself
 * when it has caught up with the leader (follower-reads.ts), and has everything else run by the leader, over one hop that is
 * marked so that it can never become two. While there is no leader a request waits, for a failover takes a
 * second or two and clients should not notice; what certainly had no effect is tried again, anything else never is.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { sleep } from "../../lib/base/clock.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { errorCodeHeader } from "../../lib/http/error-answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { parseConsistency } from "../../lib/http/read-query.ts";
import { rawBody, type RelayedAnswer, relayedRequest, sendRelayed } from "../../lib/http/relay.ts";
import { hasQuery, queryOf } from "../../lib/http/request-line.ts";
import type { Freshness } from "../follower-reads.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { CatalogServer } from "../server-api.ts";
import { nameRequest, withWayOut } from "./request-id.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Every server gives the same answer, with and without a leader. */
    isAnsweredHere?: boolean;
  }
  interface FastifyRequest {
    /** The bytes of the body as they came, on routes that a leader answers. */
    sentBody: Uint8Array | null;
    /** What this server's state was brought up to for the sake of this read, when it does not lead. */
    freshness: Freshness | null;
  }
}

/** How long a request waits for a leader, as Consul's rpc_hold_timeout. */
export const defaultLeaderWaitMs = 7_000;
/** A leader that refused, or could not be reached, is asked again after this; a change of leadership comes first. */
const retryDelayMs = 100;

/** Says that the request has come from a following server: whoever gets it answers it or refuses it. */
const forwardedHeader = "x-atoll-forwarded";

export interface LeaderRoutingOptions {
  readonly server: Pick<CatalogServer, "log" | "leaderLink" | "followerReads">;
  readonly runtime: Runtime;
  readonly leaderWaitMs: number;
}

/** Applies to every `/v1` route that is registered on `app` afterwards, but those that speak of this server itself. */
export function routeToLeader(app: HttpApp, options: LeaderRoutingOptions): void {
  app.decorateRequest("sentBody", null);
  app.decorateRequest("writeReply", null);
  app.decorateRequest("freshness", null);
  const answer = createRouting(options);
  app.addHook("onRoute", (route) => {
    if (!needsLeader(route.url) || route.config?.isAnsweredHere === true) return;
    const handler = route.handler;
    // The bytes as they came, before a schema makes something else of them.
    route.preValidation = [...asList(route.preValidation), keepBody];
    route.handler = function (request, reply) {
      return answer(request, reply, () => handler.call(this, request, reply));
    };
  });
}

function keepBody(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.sentBody = rawBody(request);
  done();
}

function needsLeader(url: string): boolean {
  return url.startsWith("/v1/") && !/^\/v1\/(?:agent|status|catalog\/datacenters)(?:\/|$)/.test(url);
}

function asList<T>(value: T | T[] | undefined): T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

type Answer = (request: FastifyRequest, reply: FastifyReply, handler: () => unknown) => Promise<unknown>;

function createRouting(options: LeaderRoutingOptions): Answer {
  const { server, runtime, leaderWaitMs } = options;
  const { clock } = runtime;

  const nextLeadership = (signal: AbortSignal, waitMs: number): Promise<void> =>
    new Promise((resolve) => {
      const changed = server.log.onLeadershipChange(() => finish());
      const stop = new AbortController();
      const finish = (): void => {
        changed.close();
        stop.abort();
        signal.removeEventListener("abort", finish);
        resolve();
      };
      signal.addEventListener("abort", finish, { once: true });
      void sleep(clock, waitMs, stop.signal).then(finish);
      if (signal.aborted) finish();
    });

  const forward = (request: FastifyRequest, address: string, signal: AbortSignal): Promise<RelayedAnswer> => {
    const relayed = relayedRequest(request, request.sentBody ?? rawBody(request));
    return server.leaderLink.forward(
      address,
      {
        ...relayed,
        url: isRead(request) ? withoutStale(relayed.url) : relayed.url,
        headers: { ...relayed.headers, [forwardedHeader]: "1" },
      },
      signal,
    );
  };

  return async (request, reply, handler) => {
    if (!isRead(request)) nameRequest(request, reply, runtime.random);
    else if (isAnsweredHere(request, server.log)) return handler();
    const isForwarded = request.headers[forwardedHeader] !== undefined;
    // Made when something waits for it, which a leader's own writes do not.
    const signal = (): AbortSignal => requestSignal(reply);
    const deadlineMs = clock.monotonicMs() + leaderWaitMs;
    for (;;) {
      const { isLeader, leaderAddress } = server.log.leadership();
      let refusal: unknown;
      try {
        if (isLeader) return await handler();
        if (!isForwarded && leaderAddress !== "") {
          if (await catchUp(request, server.followerReads)) return await handler();
          const answer = await forward(request, leaderAddress, signal());
          if (!isRefusal(answer)) return sendRelayed(reply, answer);
        }
      } catch (thrown) {
        if (!isRetryable(thrown, request) || reply.sent) throw withWayOut(thrown, request);
        refusal = thrown;
      }
      const leftMs = deadlineMs - clock.monotonicMs();
      // Who forwarded it waits for the new leader; waiting here would only hide the change from it.
      if (isForwarded || leftMs <= 0 || signal().aborted)
        throw isForwarded ? (refusal ?? noLeader(leaderAddress)) : noLeader("");
      await nextLeadership(signal(), Math.min(leftMs, retryDelayMs));
    }
  };
}

/** A blocking query watches what changes after it was asked: it stays with the leader, who tells it when it stops leading. */
async function catchUp(request: FastifyRequest, reads: CatalogServer["followerReads"]): Promise<boolean> {
  if (reads === undefined || request.method !== "GET" || !readsState(request.routeOptions.url ?? "")) return false;
  const query = hasQuery(request) ? queryOf(request) : undefined;
  if ((query?.get("index") ?? "") !== "") return false;
  const isConsistent = query !== undefined && parseConsistency(query).mode === "consistent";
  const freshness = isConsistent ? "consistent" : "leader";
  if (!(await reads.catchUp(freshness))) return false;
  request.freshness = freshness;
  return true;
}

/** What is read from the replicated state and nowhere else, through the read endpoint. */
function readsState(url: string): boolean {
  return /^\/v1\/(?:acl|catalog|health|config|connect|kv|session)\//.test(url);
}

/** Stale reads are, by any server, unless they ask for something newer than this server can promise. */
function isAnsweredHere(request: FastifyRequest, log: Pick<ReplicatedLog, "leadership">): boolean {
  if (!hasQuery(request)) return false;
  const { mode, maxStaleMs } = parseConsistency(queryOf(request));
  if (mode !== "stale") return false;
  if (maxStaleMs === 0) return true;
  const { isLeader, lastContactMs } = log.leadership();
  return isLeader || lastContactMs <= maxStaleMs;
}

function isRead(request: FastifyRequest): boolean {
  return request.method === "GET" || request.method === "HEAD" || request.method === "OPTIONS";
}

/** What reaches the leader is no stale read any more: its answer says so. */
function withoutStale(url: string): string {
  const queryAt = url.indexOf("?");
  if (queryAt < 0) return url;
  const kept = url
    .slice(queryAt + 1)
    .split("&")
    .filter((pair) => !/^(?:stale|max_stale)(?:=|$)/.test(pair));
  return kept.length === 0 ? url.slice(0, queryAt) : `${url.slice(0, queryAt)}?${kept.join("&")}`;
}

function isRefusal(answer: RelayedAnswer): boolean {
  return answer.headers[errorCodeHeader.toLowerCase()] === "NO_LEADER";
}

/** A write only when it certainly had no effect, a read also when its answer was lost on the way. */
function isRetryable(thrown: unknown, request: FastifyRequest): thrown is AtollError {
  if (!(thrown instanceof AtollError)) return false;
  return thrown.code === "NO_LEADER" || (thrown.code === "UNAVAILABLE" && isRead(request));
}

function noLeader(leader: string): AtollError {
  return new AtollError("NO_LEADER", "No cluster leader", leader === "" ? {} : { leader });
}
