import type { SubsetSelector } from "../balance/subset.ts";
import type { Upstream, UpstreamFailure, UpstreamWaiter } from "../exchange/ends.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { EndpointPool, Opened } from "./endpoint-pool.ts";
import { LimitedRequest, type RequestLimit } from "./limited-request.ts";
import { PlacedRequest } from "./placed-request.ts";

/** Chooses the pool for a request; `tried` are those that have just failed to serve it, `hash` and `subset` are its waiter's. */
export interface PoolPicker {
  pick(
    tried: readonly object[],
    hash: number | undefined,
    subset: SubsetSelector | undefined,
  ): EndpointPool | undefined;
  /** Whether it might have picked this one; always where it is absent. */
  admits?(pool: EndpointPool, subset: SubsetSelector): boolean;
}

export interface PooledUpstreamOptions {
  readonly picker: PoolPicker;
  readonly monotonicMs: () => number;
  /** How long a request waits for room among connections that may not become more. */
  readonly waitTimeoutMs: () => number;
  /** How many requests may wait for that; Envoy's 1,024 when absent. */
  readonly maxWaiting?: () => number;
  /** Of requests under way. */
  readonly limit?: RequestLimit;
  /** The hash by which an endpoint is chosen for a request of a client at `address`, if it has one. */
  readonly hashOf?: (head: RequestHead, address: string) => number | undefined;
}

/** Endpoints tried for one request before it is given up. */
const maxConnectAttempts = 3;
const defaultMaxWaiting = 1_024;
const nothingTried: readonly object[] = [];

/**
 * Finds a connection for each request: one of the picked pool at once, else a new one. A failed attempt has sent nothing, so
 * the next endpoint may be tried whatever the request is. Where every endpoint has as many connections as it may, requests
 * wait, and the first to come is the first to be served, by whichever endpoint has room first.
 */
export class PooledUpstream implements Upstream {
  readonly #options: PooledUpstreamOptions;
  /** Those for whom a connection is being opened, and since when they wait. */
  readonly #opening = new Map<UpstreamWaiter, number>();
  /** Those who wait for room, in order, and since when. */
  readonly #waiting = new Map<UpstreamWaiter, number>();
  /** Requests that were refused since as many waited as may. */
  overflows = 0;
  #isServing = false;
  /** Pools that got room while others were served. */
  #unserved: EndpointPool[] = [];

  constructor(options: PooledUpstreamOptions) {
    this.#options = options;
  }

  /** Requests that wait for room. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Nobody waits, for room or for a connection being opened. */
  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#opening.size === 0;
  }

  forRequest(head: RequestHead, address: string, subset?: SubsetSelector): Upstream {
    const { limit, hashOf } = this.#options;
    const hash = hashOf?.(head, address);
    const isPlaced = hash !== undefined || subset !== undefined;
    const chosen = isPlaced ? new PlacedRequest(this, { hash, subset }) : this;
    return limit?.isOn === true ? new LimitedRequest(chosen, limit) : chosen;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried = nothingTried): void {
    const { picker } = this.#options;
    const other = tried.length > 0 ? picker.pick(tried, waiter.hash, waiter.subset) : undefined;
    const pool = other ?? picker.pick(nothingTried, waiter.hash, waiter.subset);
    if (pool === undefined) {
      waiter.onNoUpstream("no_healthy_upstream");
      return;
    }
    const connection = pool.take(wantsFresh);
    if (connection !== undefined) {
      waiter.onUpstream(connection);
      return;
    }
    this.#opening.set(waiter, this.#options.monotonicMs());
    this.#open(waiter, pool, [], "connect_failure");
  }

  cancel(waiter: UpstreamWaiter): void {
    this.#opening.delete(waiter);
    this.#waiting.delete(waiter);
  }

  /** To be called when `pool` may serve more than a moment ago. */
  serve(pool: EndpointPool): void {
    if (this.#waiting.size === 0) return;
    if (this.#isServing) {
      this.#unserved.push(pool);
      return;
    }
    this.#isServing = true;
    for (let next: EndpointPool | undefined = pool; next !== undefined; next = this.#unserved.pop()) {
      this.#serveFrom(next);
    }
    this.#isServing = false;
  }

  /** The choice of endpoints has changed: everyone who waits chooses again. */
  refresh(): void {
    const waiting = [...this.#waiting.keys()];
    this.#waiting.clear();
    for (const waiter of waiting) this.acquire(waiter, false);
  }

  /** Turns away who has waited too long; called about once a second. */
  sweep(nowMs: number): void {
    for (const [waiter, sinceMs] of this.#waiting) {
      if (nowMs - sinceMs < this.#options.waitTimeoutMs()) continue;
      this.#waiting.delete(waiter);
      waiter.onNoUpstream("overflow");
    }
  }

  #serveFrom(pool: EndpointPool): void {
    const { picker } = this.#options;
    for (const [waiter, sinceMs] of this.#waiting) {
      if (waiter.subset !== undefined && picker.admits?.(pool, waiter.subset) === false) continue;
      const connection = pool.take(false);
      if (connection === undefined && (!pool.hasRoom || pool.isFailing)) return;
      this.#waiting.delete(waiter);
      if (connection !== undefined) {
        waiter.onUpstream(connection);
      } else {
        this.#opening.set(waiter, sinceMs);
        this.#open(waiter, pool, [], "connect_failure");
      }
    }
  }

  /** `failure` is why the waiter would be turned away if nothing else can be found: a lack of room is worth waiting. */
  #open(waiter: UpstreamWaiter, pool: EndpointPool, tried: readonly EndpointPool[], failure: UpstreamFailure): void {
    if (!pool.hasRoom) {
      this.#tryNext(waiter, [...tried, pool], "overflow");
      return;
    }
    waiter.onOpening?.(pool);
    pool.open((opened) => this.#onOpened(opened, waiter, pool, [...tried, pool], failure));
  }

  #onOpened(
    opened: Opened,
    waiter: UpstreamWaiter,
    pool: EndpointPool,
    tried: readonly EndpointPool[],
    failure: UpstreamFailure,
  ): void {
    // Where others hold connections one of those will do, in a while.
    if (opened === "failed") {
      pool.observer?.onUnreachable();
      this.#tryNext(waiter, tried, pool.connectionCount > 0 ? "overflow" : failure);
    } else if (opened === "full") this.#tryNext(waiter, tried, "overflow");
    else if (this.#opening.delete(waiter)) waiter.onUpstream(opened);
    else pool.giveBack(opened);
  }

  #tryNext(waiter: UpstreamWaiter, tried: readonly EndpointPool[], failure: UpstreamFailure): void {
    if (!this.#opening.has(waiter)) return;
    const { picker } = this.#options;
    const next = tried.length < maxConnectAttempts ? picker.pick(tried, waiter.hash, waiter.subset) : undefined;
    if (next !== undefined) {
      const ready = next.take(false);
      if (ready === undefined) {
        this.#open(waiter, next, tried, failure);
        return;
      }
      this.#opening.delete(waiter);
      waiter.onUpstream(ready);
      return;
    }
    const sinceMs = this.#opening.get(waiter) ?? this.#options.monotonicMs();
    this.#opening.delete(waiter);
    if (failure !== "overflow") waiter.onNoUpstream(failure);
    else this.#wait(waiter, tried, sinceMs);
  }

  #wait(waiter: UpstreamWaiter, full: readonly EndpointPool[], sinceMs: number): void {
    // Who wanted a fresh one takes what there is.
    for (const pool of full) {
      const connection = pool.take(false);
      if (connection === undefined) continue;
      waiter.onUpstream(connection);
      return;
    }
    const { monotonicMs, waitTimeoutMs, maxWaiting } = this.#options;
    const isFull = this.#waiting.size >= (maxWaiting?.() ?? defaultMaxWaiting);
    if (!isFull && monotonicMs() - sinceMs < waitTimeoutMs()) {
      this.#waiting.set(waiter, sinceMs);
      return;
    }
    if (isFull) this.overflows++;
    waiter.onNoUpstream("overflow");
  }
}
