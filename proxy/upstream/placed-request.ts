import type { SubsetSelector } from "../balance/subset.ts";
import type { Upstream, UpstreamConnection, UpstreamFailure, UpstreamWaiter } from "../exchange/ends.ts";

/** Where one request wants to go: to what its hash says, to one of a subset, or both. */
export interface Placement {
  readonly hash: number | undefined;
  readonly subset: SubsetSelector | undefined;
}

/** One request that does not go to just any endpoint: stands between it and the choice, for as long as it lives. */
export class PlacedRequest implements Upstream {
  readonly hash: number | undefined;
  readonly #placement: Placement;
  readonly #upstream: Upstream;
  /** Almost always one; a request that is sent to two endpoints may wait twice. */
  readonly #waiting: PlacedWaiter[] = [];

  constructor(upstream: Upstream, placement: Placement) {
    this.#upstream = upstream;
    this.#placement = placement;
    this.hash = placement.hash;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    const placed = new PlacedWaiter(this.#placement, waiter, this);
    this.#waiting.push(placed);
    this.#upstream.acquire(placed, wantsFresh, tried);
  }

  cancel(waiter: UpstreamWaiter): void {
    const placed = this.#waiting.find((one) => one.waiter === waiter);
    if (placed === undefined) return;
    this.forget(placed);
    this.#upstream.cancel(placed);
  }

  /** It waits no more. */
  forget(placed: PlacedWaiter): void {
    this.#waiting.splice(this.#waiting.indexOf(placed), 1);
  }
}

class PlacedWaiter implements UpstreamWaiter {
  readonly hash?: number;
  readonly subset?: SubsetSelector;
  readonly waiter: UpstreamWaiter;
  readonly #request: PlacedRequest;

  constructor({ hash, subset }: Placement, waiter: UpstreamWaiter, request: PlacedRequest) {
    if (hash !== undefined) this.hash = hash;
    if (subset !== undefined) this.subset = subset;
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
