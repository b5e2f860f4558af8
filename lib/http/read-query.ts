import type { FastifyRequest } from "fastify";
import { parseDurationMs } from "../base/duration.ts";
import type { Random } from "../base/random.ts";
import type { StringMap } from "../contract/catalog.ts";
import { AtollError } from "../contract/error-codes.ts";
import { defaultRequestLimits, type RequestLimits } from "../contract/request-limits.ts";
import { hasQuery, queryOf } from "./request-line.ts";

/** The query parameters that reads share, parsed once, with defaults and bounds applied. */
export interface ReadQuery {
  /** Blocks while the index is at most this; 0 answers at once. */
  readonly minIndex: number;
  /** Longest wait, jitter included. */
  readonly waitMs: number;
  readonly consistency: Consistency["mode"];
  /** `max_stale` was given: how old the state may be decides who answers. */
  readonly hasMaxStale: boolean;
  readonly isCached: boolean;
  /** Every pair must be in the node's Meta. */
  readonly nodeMeta: StringMap;
  /** Every tag must be on the service, in lower case: tags are compared so. */
  readonly tags: readonly string[];
  readonly isOnlyPassing: boolean;
  /** Sorts by distance from this node; without coordinates there is nothing to sort by. */
  readonly near: string;
  /** An expression that the records of the answer must match; empty for all of them. */
  readonly filter: string;
  /** The cluster that the records were imported from; empty for our own. */
  readonly peer: string;
  /** Proxies are shown with the settings that they get from config entries. */
  readonly isMergingCentralConfig: boolean;
}

/** How fresh a read has to be. */
export interface Consistency {
  readonly mode: "default" | "stale" | "consistent";
  /** With `stale`: when the server has not heard of the leader for longer, the leader is asked; 0 = any age will do. */
  readonly maxStaleMs: number;
}

export interface ReadQueryOptions {
  /** The only datacenter that is known here. */
  readonly datacenter: string;
  readonly random: Random;
  /** How long a read may block; Consul's defaults when absent. */
  readonly waits?: QueryWaits;
}

export type QueryWaits = Pick<RequestLimits, "defaultQueryMs" | "maxQueryMs">;

/** Up to this part of the wait is added, so that watchers do not all return at the same time. */
const waitJitterFraction = 1 / 16;

/** What a URL without a query asks: it does not block, so its wait is of no concern. */
const plainRead: ReadQuery = {
  minIndex: 0,
  waitMs: defaultRequestLimits.defaultQueryMs,
  consistency: "default",
  hasMaxStale: false,
  isCached: false,
  nodeMeta: {},
  tags: [],
  isOnlyPassing: false,
  near: "",
  filter: "",
  peer: "",
  isMergingCentralConfig: false,
};

export function parseReadQuery(request: FastifyRequest, options: ReadQueryOptions): ReadQuery {
  if (!hasQuery(request)) return plainRead;
  const query = queryOf(request);
  checkDatacenterParameter(query, options.datacenter);
  refuseSamenessGroup(query);
  const isCached = query.has("cached");
  return {
    minIndex: parseIndex(query.get("index")),
    waitMs: parseWaitMs(query.get("wait"), options),
    consistency: parseConsistency(query).mode,
    hasMaxStale: query.has("max_stale"),
    isCached,
    nodeMeta: Object.fromEntries(query.getAll("node-meta").map(splitPair)),
    tags: query.getAll("tag").map((tag) => tag.toLowerCase()),
    isOnlyPassing: parseFlag(query, "passing"),
    near: query.get("near") ?? "",
    filter: query.get("filter") ?? "",
    peer: query.get("peer") ?? "",
    isMergingCentralConfig: query.has("merge-central-config"),
  };
}

/** Refuses a request for another datacenter; `datacenter` wins over `dc`. For writes, whose other parameters differ. */
export function checkDatacenter(request: FastifyRequest, datacenter: string): void {
  if (hasQuery(request)) checkDatacenterParameter(queryOf(request), datacenter);
}

/** A bare `?name` is true; otherwise the words that Go's ParseBool takes. */
export function parseFlag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null) return false;
  if (["", "1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
  throw new AtollError("INVALID_ARGUMENT", `Invalid value for ?${name}`);
}

function checkDatacenterParameter(query: URLSearchParams, datacenter: string): void {
  const asked = query.get("datacenter") || query.get("dc") || datacenter;
  if (asked !== datacenter) throw new AtollError("NOT_FOUND", "No path to datacenter", { status: 500 });
}

/** As the community edition does; ignoring it would answer with other entries than were asked for. */
function refuseSamenessGroup(query: URLSearchParams): void {
  for (const name of ["sg", "sameness-group"]) {
    if (!query.get(name)) continue;
    const message = `Invalid query parameter: "${name}" - Sameness groups are a Consul Enterprise feature`;
    throw new AtollError("INVALID_ARGUMENT", message);
  }
}

function parseIndex(text: string | null): number {
  if (text === null || text === "") return 0;
  if (!/^\d{1,20}$/.test(text) || BigInt(text) > 0xffff_ffff_ffff_ffffn) {
    throw new AtollError("INVALID_ARGUMENT", "Invalid index");
  }
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

function parseWaitMs(
  text: string | null,
  { random, waits = defaultRequestLimits }: Pick<ReadQueryOptions, "random" | "waits">,
): number {
  const askedMs = text === null || text === "" ? 0 : parseDurationMs(text);
  if (askedMs === undefined) throw new AtollError("INVALID_ARGUMENT", "Invalid wait time");
  const boundedMs = askedMs <= 0 ? waits.defaultQueryMs : Math.min(askedMs, waits.maxQueryMs);
  return boundedMs * (1 + random.float() * waitJitterFraction);
}

/** Throws `INVALID_ARGUMENT` in Consul's words for modes that contradict each other. */
export function parseConsistency(query: URLSearchParams): Consistency {
  const maxStale = query.get("max_stale") ?? "";
  const maxStaleMs = maxStale === "" ? 0 : parseDurationMs(maxStale);
  if (maxStaleMs === undefined) throw new AtollError("INVALID_ARGUMENT", `Invalid max_stale value "${maxStale}"`);
  const isStale = query.has("stale") || maxStaleMs > 0;
  const isConsistent = query.has("consistent");
  if (isStale && isConsistent) {
    throw new AtollError("INVALID_ARGUMENT", "Cannot specify ?stale with ?consistent, conflicting semantics.");
  }
  if (query.has("cached") && isConsistent) {
    throw new AtollError("INVALID_ARGUMENT", "Cannot specify ?cached with ?consistent, conflicting semantics.");
  }
  if (isConsistent) return { mode: "consistent", maxStaleMs: 0 };
  return { mode: isStale ? "stale" : "default", maxStaleMs: Math.max(0, maxStaleMs) };
}

function splitPair(pair: string): [string, string] {
  const colonAt = pair.indexOf(":");
  return colonAt < 0 ? [pair, ""] : [pair.slice(0, colonAt), pair.slice(colonAt + 1)];
}
