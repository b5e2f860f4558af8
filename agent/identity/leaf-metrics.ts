import { Counter, Gauge, type Registry } from "prom-client";

/** What the metrics want to know of one leaf. */
export interface LeafLifetime {
  readonly alarmAtMs: number;
  readonly expiresAtMs: number;
}

export interface LeafMetrics {
  countSignature(result: "ok" | "error"): void;
}

/** Without a label per service: their number has no bound, and the worst leaf is the one to alert on. */
export function createLeafMetrics(options: {
  readonly registry: Registry;
  readonly nowMs: () => number;
  readonly lifetimes: () => readonly LeafLifetime[];
}): LeafMetrics {
  const registers = [options.registry];
  const signatures = new Counter({
    name: "atoll_agent_leaf_signatures_total",
    help: "Requests for leaf certificates to the servers, by result",
    labelNames: ["result"],
    registers,
  });
  new Gauge({
    name: "atoll_agent_leaf_expiring",
    help: "Leaf certificates with less than 20 % of their life left: renewal is failing",
    registers,
    collect() {
      this.set(options.lifetimes().filter((leaf) => options.nowMs() >= leaf.alarmAtMs).length);
    },
  });
  new Gauge({
    name: "atoll_agent_leaf_min_remaining_seconds",
    help: "Remaining life of the leaf certificate that expires first; +Inf without any",
    registers,
    collect() {
      const ends = options.lifetimes().map((leaf) => leaf.expiresAtMs);
      this.set((Math.min(...ends) - options.nowMs()) / 1000);
    },
  });
  return { countSignature: (result) => signatures.inc({ result }) };
}
