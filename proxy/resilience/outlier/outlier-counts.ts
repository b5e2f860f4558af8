import { zeroes } from "../../telemetry/zeroes.ts";
import { type Detection, detections, type EjectionReason, ejectionReasons } from "./ejection-reasons.ts";

/** What outlier detection did to the endpoints of one cluster since it is there. */
export class OutlierCounts {
  /** Found, whether or not anybody was ejected for it. */
  readonly detected: Record<Detection, number> = zeroes(detections);
  readonly ejections: Record<EjectionReason, number> = zeroes(ejectionReasons);
  /** Not ejected, since as many were out as may be. */
  overflow = 0;
}
