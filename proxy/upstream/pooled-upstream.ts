import type { Upstream, UpstreamConnection, UpstreamFailure, UpstreamWaiter } from "../exchange/ends.ts";
import type { EndpointPool } from "./endpoint-pool.ts";

/** Chooses the pool for a request; `tried` are those whose connection attempt has just failed for it. */
export interface PoolPicker {
  pick(tried: readonly EndpointPool[]): EndpointPool | undefined;
}

/** Endpoints tried for one request before it is given up. */
const maxConnectAttempts = 3;
const nothingTried: readonly EndpointPool[] = [];

/**
 * Finds a connection for each request: one of the picked pool at once, else a new one. A failed attempt has sent nothing, so
 * the next endpoint may be tried whatever the request is.
 */
export class PooledUpstream implements Upstream {
  readonly #picker: PoolPicker;
  readonly #waiting = new Set<UpstreamWaiter>();

  constructor(picker: PoolPicker) {
    this.#picker = picker;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean): void {
    const pool = this.#picker.pick(nothingTried);
    if (pool === undefined) {
      waiter.onNoUpstream("no_healthy_upstream");
      return;
    }
    const connection = wantsFresh ? undefined : pool.take();
    if (connection !== undefined) {
      waiter.onUpstream(connection);
      return;
    }
    this.#waiting.add(waiter);
    this.#open(waiter, pool, []);
  }

  cancel(waiter: UpstreamWaiter): void {
    this.#waiting.delete(waiter);
  }

  #open(waiter: UpstreamWaiter, pool: EndpointPool, tried: readonly EndpointPool[]): void {
    if (!pool.hasRoom) {
      this.#tryNext(waiter, [...tried, pool], "overflow");
      return;
    }
    pool.open((connection) => {
      if (connection === undefined) this.#tryNext(waiter, [...tried, pool], "connect_failure");
      else this.#deliver(waiter, pool, connection);
    });
  }

  #tryNext(waiter: UpstreamWaiter, tried: readonly EndpointPool[], failure: UpstreamFailure): void {
    if (!this.#waiting.has(waiter)) return;
    const next = tried.length < maxConnectAttempts ? this.#picker.pick(tried) : undefined;
    if (next === undefined) {
      this.#waiting.delete(waiter);
      waiter.onNoUpstream(failure);
      return;
    }
    const ready = next.take();
    if (ready !== undefined) this.#deliver(waiter, next, ready);
    else this.#open(waiter, next, tried);
  }

  #deliver(waiter: UpstreamWaiter, pool: EndpointPool, connection: UpstreamConnection): void {
    if (this.#waiting.delete(waiter)) waiter.onUpstream(connection);
    else pool.giveBack(connection);
  }
}
