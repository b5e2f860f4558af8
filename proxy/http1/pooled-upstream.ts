import type { ClientConnection } from "./client-connection.ts";
import type { Exchange, Upstream, UpstreamFailure } from "./exchange.ts";
import type { HttpPool } from "./pool.ts";

/** Chooses the pool for a request; `tried` are those whose connection attempt has just failed for it. */
export interface PoolPicker {
  pick(tried: readonly HttpPool[]): HttpPool | undefined;
}

/** Endpoints tried for one request before it is given up. */
const maxConnectAttempts = 3;
const nothingTried: readonly HttpPool[] = [];

/**
 * Finds a connection for each request: an idle one of the picked pool at once, else a new one. A failed attempt has sent
 * nothing, so the next endpoint may be tried whatever the request is.
 */
export class PooledUpstream implements Upstream {
  readonly #picker: PoolPicker;
  readonly #waiting = new Set<Exchange>();

  constructor(picker: PoolPicker) {
    this.#picker = picker;
  }

  acquire(exchange: Exchange, wantsFresh: boolean): void {
    const pool = this.#picker.pick(nothingTried);
    if (pool === undefined) {
      exchange.onNoUpstream("no_healthy_upstream");
      return;
    }
    const client = wantsFresh ? undefined : pool.takeIdle();
    if (client !== undefined) {
      exchange.onUpstream(client, false);
      return;
    }
    this.#waiting.add(exchange);
    this.#open(exchange, pool, []);
  }

  cancel(exchange: Exchange): void {
    this.#waiting.delete(exchange);
  }

  #open(exchange: Exchange, pool: HttpPool, tried: readonly HttpPool[]): void {
    if (!pool.hasRoom) {
      this.#tryNext(exchange, [...tried, pool], "overflow");
      return;
    }
    pool.open((client) => {
      if (client === undefined) this.#tryNext(exchange, [...tried, pool], "connect_failure");
      else this.#deliver(exchange, pool, client);
    });
  }

  #tryNext(exchange: Exchange, tried: readonly HttpPool[], failure: UpstreamFailure): void {
    if (!this.#waiting.has(exchange)) return;
    const next = tried.length < maxConnectAttempts ? this.#picker.pick(tried) : undefined;
    if (next === undefined) {
      this.#waiting.delete(exchange);
      exchange.onNoUpstream(failure);
      return;
    }
    const idle = next.takeIdle();
    if (idle !== undefined) this.#deliver(exchange, next, idle);
    else this.#open(exchange, next, tried);
  }

  #deliver(exchange: Exchange, pool: HttpPool, client: ClientConnection): void {
    if (this.#waiting.delete(exchange)) exchange.onUpstream(client, true);
    else pool.onIdle(client);
  }
}
