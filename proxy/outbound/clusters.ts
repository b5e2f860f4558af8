import type { OutboundConfig } from "../../lib/contract/proxy-config.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { Cluster, clusterSettings } from "./cluster.ts";

/**
 * The destinations of one listener. One that leaves the configuration goes on until the last of its requests is over: no new one
 * comes to it, since no route names it any more.
 */
export class Clusters {
  /** The one that requests go to which no route sends elsewhere. */
  readonly own: Cluster;
  readonly #context: ProxyContext;
  #named: ReadonlyMap<string, Cluster> = new Map();
  readonly #retiring = new Set<Cluster>();

  constructor(context: ProxyContext, config: OutboundConfig) {
    this.#context = context;
    this.own = new Cluster(context, clusterSettings(config)[0]);
  }

  /** Its own first. */
  get all(): readonly Cluster[] {
    return [this.own, ...this.#named.values()];
  }

  find(name: string): Cluster | undefined {
    return name === this.own.name ? this.own : this.#named.get(name);
  }

  update(config: OutboundConfig): void {
    const [own, ...others] = clusterSettings(config);
    this.own.update(own);
    const leaving = new Map(this.#named);
    const named = new Map<string, Cluster>();
    for (const settings of others) {
      const kept = leaving.get(settings.name);
      leaving.delete(settings.name);
      kept?.update(settings);
      named.set(settings.name, kept ?? new Cluster(this.#context, settings));
    }
    for (const cluster of leaving.values()) {
      cluster.retire();
      this.#retiring.add(cluster);
    }
    this.#named = named;
  }

  sweep(nowMs: number): void {
    for (const cluster of this.all) cluster.sweep(nowMs);
    for (const cluster of this.#retiring) {
      cluster.sweep(nowMs);
      if (!cluster.isIdle) continue;
      this.#retiring.delete(cluster);
      cluster.close();
    }
  }

  close(): void {
    for (const cluster of [...this.all, ...this.#retiring]) cluster.close();
  }
}
