import type { OutlierDetectionConfig } from "../../../lib/contract/proxy-outlier.ts";

/** What is asked about each endpoint, by the names of Envoy's statistics, as metric labels. */
export const detections = [
  "consecutive_5xx",
  "consecutive_gateway_failure",
  "consecutive_local_origin_failure",
  "success_rate",
  "local_origin_success_rate",
  "failure_percentage",
  "local_origin_failure_percentage",
] as const;
export type Detection = (typeof detections)[number];

/** Why an endpoint was ejected: `probation` is the failure of the one request after an earlier ejection. */
export const ejectionReasons = [...detections, "probation"] as const;
export type EjectionReason = (typeof ejectionReasons)[number];

/** The chance, in percent, that a detection really ejects. */
export function enforcedPercent(config: OutlierDetectionConfig, detection: Detection): number {
  switch (detection) {
    case "consecutive_5xx":
      return config.enforcingConsecutive5xx;
    case "consecutive_gateway_failure":
      return config.enforcingConsecutiveGatewayFailure;
    case "consecutive_local_origin_failure":
      return config.enforcingConsecutiveLocalOriginFailure;
    case "success_rate":
      return config.enforcingSuccessRate;
    case "local_origin_success_rate":
      return config.enforcingLocalOriginSuccessRate;
    case "failure_percentage":
      return config.enforcingFailurePercentage;
    case "local_origin_failure_percentage":
      return config.enforcingFailurePercentageLocalOrigin;
  }
}
