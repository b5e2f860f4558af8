import { Counter, Gauge, type Registry } from "prom-client";

/** What anti-entropy counts: whether the catalog follows this agent, and since when it does not. */
export interface SyncMetrics {
  passEnded(result: "ok" | "failed"): void;
  refused(): void;
  setPending(count: number): void;
  /** Wall clock of the last comparison with the catalog that ended without a failure. */
  setInSync(atMs: number): void;
}

const names = {
  passes: "atoll_agent_sync_passes_total",
  refused: "atoll_agent_sync_refused_total",
  pending: "atoll_agent_sync_pending_entries",
  inSync: "atoll_agent_sync_last_success_timestamp_seconds",
} as const;

export function createSyncMetrics(registry: Registry): SyncMetrics {
  const passes = new Counter({
    name: names.passes,
    help: "Passes that brought local registrations to the catalog, by result.",
    labelNames: ["result"],
    registers: [registry],
  });
  const refused = new Counter({
    name: names.refused,
    help: "Registrations that the servers refused for good.",
    registers: [registry],
  });
  const pending = new Gauge({
    name: names.pending,
    help: "Local registrations that the catalog does not have yet.",
    registers: [registry],
  });
  const inSync = new Gauge({
    name: names.inSync,
    help: "Unix time of the last full comparison with the catalog that succeeded.",
    registers: [registry],
  });
  return {
    passEnded: (result) => passes.inc({ result }),
    refused: () => refused.inc(),
    setPending: (count) => pending.set(count),
    setInSync: (atMs) => inSync.set(atMs / 1_000),
  };
}
