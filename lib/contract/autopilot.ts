import type { Indexed } from "./catalog.ts";

/** How the leader looks after the servers, replicated so that the next leader does the same. */
export interface AutopilotConfig {
  /** Takes out voters that have failed, as long as a quorum of the rest is healthy. */
  readonly isCleaningUpDeadServers: boolean;
  /** A server that the leader has not heard of for longer is not healthy. */
  readonly lastContactThresholdMs: number;
  /** A server that is further behind is not healthy. */
  readonly maxTrailingLogs: number;
  /** How long a new server must be healthy before it becomes a voter. */
  readonly stabilizationTimeMs: number;
  /** How long a server must have been gone to count as dead; its id is never accepted again after that. */
  readonly deadServerTimeoutMs: number;
  /** Dead servers are never taken out below this many voters; 0 = only the quorum counts. */
  readonly minQuorum: number;
}

export type AutopilotRecord = AutopilotConfig & Indexed;

/**
 * Consul's defaults, but for the time until a server counts as dead, which Consul takes from gossip: here a server that
 * was taken out must come back under a new id, so a reboot must not be enough.
 */
export const defaultAutopilotConfig: AutopilotConfig = {
  isCleaningUpDeadServers: true,
  lastContactThresholdMs: 200,
  maxTrailingLogs: 250,
  stabilizationTimeMs: 10_000,
  deadServerTimeoutMs: 600_000,
  minQuorum: 0,
};
