/** `disable_coordinates` and the keys beside it. */
import { type CoordinateSettings, defaultCoordinateSettings } from "../../lib/contract/coordinate-settings.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

/** As set; what is absent has Consul's default. */
export interface CoordinateFileSettings {
  readonly isDisabled?: boolean;
  readonly rateTarget?: number;
  readonly intervalMinMs?: number;
}

/** Less would be a write for every renewal. */
const minIntervalMs = 1_000;

export function resolveCoordinates(set: CoordinateFileSettings): CoordinateSettings {
  const { rateTarget = defaultCoordinateSettings.rateTarget } = set;
  const { intervalMinMs = defaultCoordinateSettings.intervalMinMs } = set;
  if (!(rateTarget > 0)) throw invalid(`sync_coordinate_rate_target must be above 0 per second, found ${rateTarget}`);
  if (intervalMinMs < minIntervalMs) {
    throw invalid(`sync_coordinate_interval_min must be at least 1s, found ${intervalMinMs} ms`);
  }
  return { isEnabled: set.isDisabled !== true, rateTarget, intervalMinMs };
}

function invalid(message: string): AtollError {
  return new AtollError("CONFIG_INVALID", message);
}
