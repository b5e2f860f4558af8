import type { ClusterConfig } from "../../lib/contract/proxy-config.ts";
import { pickLeastRequest } from "../balance/least-request.ts";
import type { EndpointPool } from "../upstream/endpoint-pool.ts";
import type { PoolPicker } from "../upstream/pooled-upstream.ts";
import { Endpoint, type EndpointOptions } from "./endpoint.ts";

const nothingExcluded: ReadonlySet<Endpoint> = new Set();

/** The endpoints of one cluster. An update keeps the connections of every endpoint that stays. */
export class Endpoints implements PoolPicker {
  #list: readonly Endpoint[] = [];
  /** Pools of endpoints that were removed, until their last exchange is over. */
  readonly #leaving = new Set<EndpointPool>();
  readonly #random: () => number;
  readonly #options: Omit<EndpointOptions, "address" | "weight" | "maxConnections">;

  constructor(options: Omit<EndpointOptions, "address" | "weight" | "maxConnections">, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  get list(): readonly Endpoint[] {
    return this.#list;
  }

  /** No request or connection is under way, removed endpoints' included. */
  get isIdle(): boolean {
    return this.#leaving.size === 0 && this.#list.every(({ activeCount }) => activeCount === 0);
  }

  update(config: Pick<ClusterConfig, "endpoints" | "maxConnections">): void {
    const current = new Map(this.#list.map((endpoint) => [endpoint.address, endpoint]));
    this.#list = config.endpoints.map(({ address, weight }) => {
      const kept = current.get(address);
      current.delete(address);
      if (kept === undefined) {
        return new Endpoint({ ...this.#options, address, weight, maxConnections: config.maxConnections });
      }
      kept.weight = weight;
      return kept;
    });
    for (const { pool } of current.values()) {
      pool.close();
      this.#leaving.add(pool);
    }
  }

  pick(tried: readonly EndpointPool[]): EndpointPool | undefined {
    const excluded =
      tried.length === 0 ? nothingExcluded : new Set(this.#list.filter(({ pool }) => tried.includes(pool)));
    return pickLeastRequest(this.#list, excluded, this.#random)?.pool;
  }

  pickEndpoint(excluded: ReadonlySet<Endpoint>): Endpoint | undefined {
    return pickLeastRequest(this.#list, excluded, this.#random);
  }

  sweep(nowMs: number): void {
    for (const endpoint of this.#list) endpoint.pool.sweep(nowMs);
    for (const pool of this.#leaving) {
      pool.sweep(nowMs);
      if (pool.isEmpty) this.#leaving.delete(pool);
    }
  }

  close(): void {
    for (const endpoint of this.#list) endpoint.pool.close();
  }
}
