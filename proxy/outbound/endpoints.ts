import { mustGet } from "../../lib/base/assert.ts";
import type { ClusterConfig } from "../../lib/contract/proxy-config.ts";
import { Balancer } from "../balance/balancer.ts";
import type { Place } from "../balance/selection.ts";
import type { SubsetSelector } from "../balance/subset.ts";
import type { EndpointPool } from "../upstream/endpoint-pool.ts";
import type { PoolPicker } from "../upstream/pooled-upstream.ts";
import type { ClusterHealth } from "./cluster-health.ts";
import { Endpoint, type SharedEndpointOptions } from "./endpoint.ts";
import { isSamePeer, type Peer } from "./peer.ts";

const nothingExcluded: ReadonlySet<Endpoint> = new Set();

type Settings = Pick<ClusterConfig, "balancer" | "endpoints" | "maxConnections" | "outlierDetection" | "healthCheck">;

/** What the cluster says; the rest is known here. */
type EndpointContext = Omit<SharedEndpointOptions, "onHealth" | "isPanicking">;

/** The endpoints of one cluster. An update keeps the connections of every endpoint that stays, and stays the same peer. */
export class Endpoints implements PoolPicker {
  #list: readonly Endpoint[] = [];
  /** Pools of endpoints that were removed, until their last exchange is over. */
  readonly #leaving = new Set<EndpointPool>();
  readonly #owners = new WeakMap<EndpointPool, Endpoint>();
  readonly #random: () => number;
  readonly #options: EndpointContext;
  readonly #health: ClusterHealth;
  #balancer: Balancer<Endpoint> | undefined;

  constructor(options: EndpointContext, health: ClusterHealth, random: () => number) {
    this.#options = options;
    this.#health = health;
    this.#random = random;
  }

  get list(): readonly Endpoint[] {
    return this.#list;
  }

  /** No request or connection is under way, removed endpoints' included. */
  get isIdle(): boolean {
    return this.#leaving.size === 0 && this.#list.every(({ activeCount }) => activeCount === 0);
  }

  update(config: Settings, peerOf: (settings: Settings["endpoints"][number]) => Peer): void {
    const { clock } = this.#options.context;
    // Those of the first configuration were there before us: only who joins later starts slowly.
    const joinedAtMs = this.#balancer === undefined ? Number.NEGATIVE_INFINITY : clock.monotonicMs();
    this.#balancer ??= new Balancer(config.balancer, { nowMs: clock.monotonicMs, random: this.#random });
    this.#balancer.configure(config.balancer);
    const current = Map.groupBy(this.#list, ({ address }) => address);
    const { maxConnections, balancer } = config;
    const onHealth = (endpoint: Endpoint): void => this.#balancer?.changed(endpoint);
    const isPanicking = (): boolean => this.#balancer?.isPanicking === true;
    const options = { ...this.#options, maxConnections, balancer, joinedAtMs, onHealth, isPanicking };
    this.#list = config.endpoints.map((settings) => {
      const { address } = settings;
      const peer = peerOf(settings);
      const endpoint = takeSamePeer(current.get(address), peer) ?? new Endpoint(address, peer, options);
      endpoint.update(settings, balancer);
      this.#owners.set(endpoint.pool, endpoint);
      return endpoint;
    });
    for (const endpoint of [...current.values()].flat()) {
      this.#health.leave(endpoint);
      endpoint.pool.close();
      this.#leaving.add(endpoint.pool);
    }
    this.#balancer.update(this.#list);
    this.#health.update(config, this.#list);
  }

  pick(tried: readonly object[], hash?: number, subset?: SubsetSelector): EndpointPool | undefined {
    const excluded =
      tried.length === 0 ? nothingExcluded : new Set(this.#list.filter(({ pool }) => tried.includes(pool)));
    return this.pickEndpoint(excluded, hash, subset)?.pool;
  }

  admits(pool: EndpointPool, subset: SubsetSelector): boolean {
    const owner = this.#owners.get(pool);
    return owner !== undefined && this.#balancer?.admits(owner, subset) === true;
  }

  pickEndpoint(excluded: ReadonlySet<Endpoint>, hash?: number, subset?: SubsetSelector): Endpoint | undefined {
    return mustGet(this.#balancer, "a cluster is configured before it is used").pick(excluded, hash, subset);
  }

  /** See `Balancer.placeOf`. */
  placeOf(endpoint: Endpoint, subset?: SubsetSelector): Place | undefined {
    return this.#balancer?.placeOf(endpoint, subset);
  }

  sweep(nowMs: number): void {
    this.#health.sweep(nowMs);
    this.#health.notePanic(this.#balancer?.isPanicking === true);
    for (const endpoint of this.#list) endpoint.pool.sweep(nowMs);
    for (const pool of this.#leaving) {
      pool.sweep(nowMs);
      if (pool.isEmpty) this.#leaving.delete(pool);
    }
  }

  close(): void {
    this.#health.stop();
    for (const endpoint of this.#list) endpoint.pool.close();
  }
}

/** Out of the endpoints at one address: connections are kept only where the peer has to be who it was. */
function takeSamePeer(known: Endpoint[] | undefined, peer: Peer): Endpoint | undefined {
  const i = known?.findIndex((endpoint) => isSamePeer(endpoint.peer, peer)) ?? -1;
  return i < 0 ? undefined : known?.splice(i, 1)[0];
}
