import type { Observation } from "../../exchange/observation.ts";
import type { Direction, ListenerObserver } from "../listener-observer.ts";
import { grpcStatus, isFailure } from "../outcome.ts";
import { flagTexts, responseFlags } from "../response-flags.ts";
import { Series, type SeriesLabels } from "./series.ts";

export interface SeriesLimits {
  readonly maxSeries: number;
  readonly idleExpiryMs: number;
}

/** In place of every label that may be anything, where there is no series of its own. */
export const overflow = "overflow";
const flagNumbers: ReadonlyMap<string, number> = new Map(flagTexts.map((text, i) => [text, i]));

/**
 * Finds the series of a request, or makes it while the budget lasts; a request beyond that counts in the one series of its direction that
 * says `overflow`, so that totals stay right and a scrape stays small, whoever calls. Finding one allocates nothing: a look at the series
 * of the request before, then maps by caller, route, cluster and a number of everything else.
 */
export class SeriesTable {
  #limits: SeriesLimits;
  readonly #listeners = new Map<ListenerObserver, ListenerSeries>();
  readonly #overflow = new Map<Direction, Series>();
  #size = 0;
  /** Requests without a series of their own. */
  overflowed = 0;

  constructor(limits: SeriesLimits) {
    this.#limits = limits;
  }

  /** Series of their own. */
  get size(): number {
    return this.#size;
  }

  /** When there are more than there may be now, all begin again, as after a restart. */
  setLimits(limits: SeriesLimits): void {
    this.#limits = limits;
    if (this.#size <= limits.maxSeries) return;
    this.#listeners.clear();
    this.#size = 0;
  }

  count(observation: Observation, from: ListenerObserver): void {
    const listener = this.#listeners.get(from) ?? this.#addListener(from);
    const code = codeOf(observation);
    const known = listener.find(observation, code);
    if (known !== undefined) {
      known.count(observation);
    } else if (this.#size < this.#limits.maxSeries) {
      this.#size++;
      listener.add(observation, code, labelsOf(observation, from)).count(observation);
    } else {
      this.overflowed++;
      this.#overflowOf(from.direction).count(observation);
    }
  }

  /** Forgets what no request has had for too long. */
  sweep(nowMs: number): void {
    for (const [observer, listener] of this.#listeners) {
      this.#size -= listener.expire(nowMs - this.#limits.idleExpiryMs);
      if (listener.isEmpty) this.#listeners.delete(observer);
    }
  }

  all(): Series[] {
    return [...this.#listeners.values()].flatMap((listener) => listener.all()).concat([...this.#overflow.values()]);
  }

  #addListener(from: ListenerObserver): ListenerSeries {
    const added = new ListenerSeries();
    this.#listeners.set(from, added);
    return added;
  }

  #overflowOf(direction: Direction): Series {
    const known = this.#overflow.get(direction);
    if (known !== undefined) return known;
    const made = new Series({
      direction,
      service: overflow,
      listen: overflow,
      caller: overflow,
      route: overflow,
      cluster: overflow,
      protocol: overflow,
      status: overflow,
      grpcStatus: overflow,
      flags: overflow,
      isFailure: false,
    });
    this.#overflow.set(direction, made);
    return made;
  }
}

type ByCode = Map<number, Series>;
type ByCluster = Map<string, ByCode>;
type ByRoute = Map<string, ByCluster>;

class ListenerSeries {
  readonly #byCaller = new Map<string, ByRoute>();
  #last: Series | undefined;
  #lastCode = -1;

  get isEmpty(): boolean {
    return this.#byCaller.size === 0;
  }

  find({ peer, route, cluster }: Observation, code: number): Series | undefined {
    const last = this.#last;
    if (last !== undefined && code === this.#lastCode) {
      const { labels } = last;
      if (labels.caller === peer.peerUri && labels.route === route && labels.cluster === cluster) return last;
    }
    const found = this.#byCaller.get(peer.peerUri)?.get(route)?.get(cluster)?.get(code);
    if (found !== undefined) this.#remember(found, code);
    return found;
  }

  add({ peer, route, cluster }: Observation, code: number, labels: SeriesLabels): Series {
    const series = new Series(labels);
    const byRoute = this.#byCaller.get(peer.peerUri) ?? new Map<string, ByCluster>();
    const byCluster = byRoute.get(route) ?? new Map<string, ByCode>();
    const byCode = byCluster.get(cluster) ?? new Map<number, Series>();
    byCode.set(code, series);
    byCluster.set(cluster, byCode);
    byRoute.set(route, byCluster);
    this.#byCaller.set(peer.peerUri, byRoute);
    this.#remember(series, code);
    return series;
  }

  /** Returns how many are gone. */
  expire(beforeMs: number): number {
    let gone = 0;
    for (const [caller, byRoute] of this.#byCaller) {
      for (const [route, byCluster] of byRoute) {
        for (const [cluster, byCode] of byCluster) {
          for (const [code, { lastUsedMs }] of byCode) {
            if (lastUsedMs > beforeMs) continue;
            byCode.delete(code);
            gone++;
          }
          if (byCode.size === 0) byCluster.delete(cluster);
        }
        if (byCluster.size === 0) byRoute.delete(route);
      }
      if (byRoute.size === 0) this.#byCaller.delete(caller);
    }
    if (gone > 0) this.#last = undefined;
    return gone;
  }

  all(): Series[] {
    return [...this.#byCaller.values()].flatMap((byRoute) =>
      [...byRoute.values()].flatMap((byCluster) => [...byCluster.values()].flatMap((byCode) => [...byCode.values()])),
    );
  }

  #remember(series: Series, code: number): void {
    this.#last = series;
    this.#lastCode = code;
  }
}

/** Status, gRPC status, flags and protocol as one small number. */
function codeOf(observation: Observation): number {
  const flags = flagNumbers.get(responseFlags(observation)) ?? 0;
  const isGrpc = observation.head?.grpc ? 1 : 0;
  return observation.status | ((grpcStatus(observation) + 1) << 10) | (isGrpc << 15) | (flags << 16);
}

function labelsOf(observation: Observation, { direction, facts }: ListenerObserver): SeriesLabels {
  const grpc = grpcStatus(observation);
  return {
    direction,
    service: facts.service,
    listen: facts.listen,
    caller: observation.peer.peerUri,
    route: observation.route,
    cluster: observation.cluster,
    protocol: observation.head?.grpc ? "grpc" : "http",
    status: `${observation.status}`,
    grpcStatus: grpc < 0 ? "" : `${grpc}`,
    flags: responseFlags(observation),
    isFailure: isFailure(observation),
  };
}
