import type { Upstream, UpstreamConnection, UpstreamFailure, UpstreamWaiter } from "../exchange/ends.ts";

/** One request whose endpoint is chosen by a hash: stands between it and the choice, for as long as it lives. */
export class HashedRequest implements Upstream, UpstreamWaiter {
  readonly hash: number;
  readonly #upstream: Upstream;
  #waiter: UpstreamWaiter | undefined;

  constructor(upstream: Upstream, hash: number) {
    this.#upstream = upstream;
    this.hash = hash;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    this.#waiter = waiter;
    this.#upstream.acquire(this, wantsFresh, tried);
  }

  cancel(): void {
    this.#upstream.cancel(this);
  }

  onUpstream(connection: UpstreamConnection): void {
    this.#waiter?.onUpstream(connection);
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#waiter?.onNoUpstream(failure);
  }
}
