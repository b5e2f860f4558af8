/** How a node takes part in network coordinates. */
export interface CoordinateSettings {
  readonly isEnabled: boolean;
  /** How many nodes of the cluster may tell their coordinates in a second. */
  readonly rateTarget: number;
  /** A node tells its own no more often, however few they are. */
  readonly intervalMinMs: number;
}

/** Consul's. */
export const defaultCoordinateSettings: CoordinateSettings = { isEnabled: true, rateTarget: 64, intervalMinMs: 15_000 };

/** How far apart the words of one node are, where there are so many nodes. */
export function tellIntervalMs({ rateTarget, intervalMinMs }: CoordinateSettings, nodes: number): number {
  return Math.max(intervalMinMs, (nodes / rateTarget) * 1_000);
}
