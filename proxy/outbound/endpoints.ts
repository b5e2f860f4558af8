import type { OutboundConfig } from "../../lib/contract/proxy-config.ts";
import { pickLeastRequest } from "../balance/least-request.ts";
import type { EndpointPool } from "../upstream/endpoint-pool.ts";
import type { PoolPicker } from "../upstream/pooled-upstream.ts";
import { Endpoint, type EndpointOptions } from "./endpoint.ts";

const nothingExcluded: ReadonlySet<Endpoint> = new Set();

/** The endpoints of one destination. An update keeps the connections of every endpoint that stays. */
export class Endpoints implements PoolPicker {
  #list: readonly Endpoint[] = [];
  /** Removed, and still busy with what was under way. */
  readonly #leaving = new Set<Endpoint>();
  readonly #random: () => number;
  readonly #options: Omit<EndpointOptions, "address" | "weight" | "maxConnections">;

  constructor(options: Omit<EndpointOptions, "address" | "weight" | "maxConnections">, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  get list(): readonly Endpoint[] {
    return this.#list;
  }

  update(config: OutboundConfig): void {
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
    for (const removed of current.values()) {
      removed.pool.close();
      this.#leaving.add(removed);
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
    for (const endpoint of this.#leaving) {
      endpoint.pool.sweep(nowMs);
      if (endpoint.pool.isOver) this.#leaving.delete(endpoint);
    }
  }

  close(): void {
    for (const endpoint of this.#list) endpoint.pool.close();
  }
}
