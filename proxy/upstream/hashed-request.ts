import type { Upstream, UpstreamConnection, UpstreamFailure, UpstreamWaiter } from "../exchange/ends.ts";

/** One request whose endpoint is chosen by a hash: stands between it and the choice, for as long as it lives. */
export class HashedRequest implements Upstream {
  readonly #upstream: Upstream;
  readonly #hash: number;
  /** Almost always one; a request that is sent to two endpoints may wait twice. */
  readonly #waiting: HashedWaiter[] = [];

  constructor(upstream: Upstream, hash: number) {
    this.#upstream = upstream;
    this.#hash = hash;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    const hashed = new HashedWaiter(this.#hash, waiter, this);
    this.#waiting.push(hashed);
    this.#upstream.acquire(hashed, wantsFresh, tried);
  }

  cancel(waiter: UpstreamWaiter): void {
    const hashed = this.#waiting.find((one) => one.waiter === waiter);
    if (hashed === undefined) return;
    this.forget(hashed);
    this.#upstream.cancel(hashed);
  }

  /** It waits no more. */
  forget(hashed: HashedWaiter): void {
    this.#waiting.splice(this.#waiting.indexOf(hashed), 1);
  }
}

class HashedWaiter implements UpstreamWaiter {
  readonly hash: number;
  readonly waiter: UpstreamWaiter;
  readonly #request: HashedRequest;

  constructor(hash: number, waiter: UpstreamWaiter, request: HashedRequest) {
    this.hash = hash;
    this.waiter = waiter;
    this.#request = request;
  }

  onOpening(endpoint: object): void {
    this.waiter.onOpening?.(endpoint);
  }

  onUpstream(connection: UpstreamConnection): void {
    this.#request.forget(this);
    this.waiter.onUpstream(connection);
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#request.forget(this);
    this.waiter.onNoUpstream(failure);
  }
}
