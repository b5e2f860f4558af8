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
  /** Dead servers are never taken out below this many voters; 0 = only the quorum counts. */
  readonly minQuorum: number;
}

export type AutopilotRecord = AutopilotConfig & Indexed;

/** Consul's defaults. */
export const defaultAutopilotConfig: AutopilotConfig = {
  isCleaningUpDeadServers: true,
  lastContactThresholdMs: 200,
  maxTrailingLogs: 250,
  stabilizationTimeMs: 10_000,
  minQuorum: 0,
};
