import type { Observation } from "../../exchange/observation.ts";
import type { Direction, ListenerObserver } from "../listener-observer.ts";
import { isError } from "../outcome.ts";

/** Which requests a reader of `/tap` wants to see; absent is any. It goes to workers as it is. */
export interface TapFilter {
  /** Of the listener: ours on the inbound side, the one that is called on the outbound one. */
  readonly service?: string;
  readonly direction?: Direction;
  readonly method?: string;
  readonly pathPrefix?: string;
  /** `404`, or `4xx`. */
  readonly status?: string;
  /** The end of the caller's SPIFFE URI: all of it, or a service's name. */
  readonly caller?: string;
  readonly errors?: boolean;
}

export interface TapRequest {
  readonly filter: TapFilter;
  /** Lines after which the stream ends. */
  readonly limit: number;
}

const largestLimit = 1_000_000;
const readers: Readonly<Record<string, (value: string) => Partial<TapFilter> | string>> = {
  service: (service) => ({ service }),
  direction: (value) =>
    value === "inbound" || value === "outbound" ? { direction: value } : `direction must be inbound or outbound`,
  method: (value) => ({ method: value.toUpperCase() }),
  "path-prefix": (pathPrefix) => ({ pathPrefix }),
  status: (value) => (/^[0-5](?:\d\d|xx)$/.test(value) ? { status: value } : `status must be like 404 or 5xx`),
  caller: (caller) => ({ caller }),
  errors: (value) => (value === "" || value === "true" ? { errors: true } : `errors takes no other value than true`),
};

/** Reads the query of `/tap`; text for what is wrong with it. */
export function readTapQuery(query: string): TapRequest | string {
  let filter: TapFilter = {};
  let limit = largestLimit;
  const seen = new Set<string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (seen.has(key)) return `${key} is there twice`;
    seen.add(key);
    if (key === "limit") {
      limit = /^\d{1,7}$/.test(value) ? Number(value) : 0;
      if (limit < 1 || limit > largestLimit) return `limit must be a whole number from 1 to ${largestLimit}`;
      continue;
    }
    const read = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (read === undefined) return `unknown filter; there are ${Object.keys(readers).join(", ")} and limit`;
    const part = read(value);
    if (typeof part === "string") return part;
    filter = { ...filter, ...part };
  }
  return { filter, limit };
}

export function matchesTap(filter: TapFilter, observation: Observation, from: ListenerObserver): boolean {
  const { head, status, peer } = observation;
  if (filter.direction !== undefined && filter.direction !== from.direction) return false;
  if (filter.service !== undefined && filter.service !== from.facts.service) return false;
  if (filter.method !== undefined && filter.method !== head?.method) return false;
  if (filter.pathPrefix !== undefined && head?.path.startsWith(filter.pathPrefix) !== true) return false;
  if (filter.status !== undefined && !isStatus(filter.status, status)) return false;
  if (filter.caller !== undefined && !isCaller(filter.caller, peer.peerUri)) return false;
  return filter.errors !== true || isError(observation);
}

function isStatus(wanted: string, status: number): boolean {
  return wanted.endsWith("xx") ? Math.trunc(status / 100) === Number(wanted[0]) : status === Number(wanted);
}

function isCaller(wanted: string, uri: string): boolean {
  return uri === wanted || uri.endsWith(`/svc/${wanted}`);
}
