import type { SubsetSelector } from "../balance/subset.ts";
import type { Upstream, UpstreamConnection, UpstreamFailure, UpstreamWaiter } from "../exchange/ends.ts";

/** Where one request wants to go: to what its hash says, to one of a subset, or both. */
export interface Placement {
  readonly hash: number | undefined;
  readonly subset: SubsetSelector | undefined;
}

/** One request that does not go to just any endpoint: stands between it and the choice, for as long as it lives. */
export class PlacedRequest implements Upstream, UpstreamWaiter {
  readonly hash?: number;
  readonly subset?: SubsetSelector;
  readonly #upstream: Upstream;
  #waiter: UpstreamWaiter | undefined;

  constructor(upstream: Upstream, { hash, subset }: Placement) {
    this.#upstream = upstream;
    if (hash !== undefined) this.hash = hash;
    if (subset !== undefined) this.subset = subset;
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
