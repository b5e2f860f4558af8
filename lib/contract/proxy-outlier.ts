import { Type } from "typebox";
import type { Static } from "typebox";

/**
 * Which endpoints are left out for a while because of what they answer: Envoy's `outlier_detection` with its names and defaults, which is
 * Consul's `PassiveHealthCheck`. Absent is off. Beyond Envoy's is `probation`.
 */
const closed = { additionalProperties: false } as const;
const Milliseconds = (minimum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum: 86_400_000, default: fallback, description });
const Count = (minimum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum: 1_000_000_000, default: fallback, description });
const Percent = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 100, default: fallback, description });
const Enforcing = (fallback: number, what: string) =>
  Percent(fallback, `chance that ${what} really ejects; 0 only counts`);

export const OutlierDetectionSchema = Type.Object(
  {
    consecutive5xx: Count(
      0,
      5,
      "answers of 5xx in a row, and what counts as one, that eject; 0 never; Consul's MaxFailures",
    ),
    consecutiveGatewayFailure: Count(0, 5, "answers of 502, 503 or 504 in a row, and what counts as one; 0 never"),
    consecutiveLocalOriginFailure: Count(
      0,
      5,
      "connections that failed or were lost, and timeouts, in a row, where they are told apart; 0 never",
    ),
    splitExternalLocalOriginErrors: Type.Boolean({
      default: false,
      description: "whether lost connections and timeouts are told apart from answers; else they count as 503 and 504",
    }),
    intervalMs: Milliseconds(
      100,
      10_000,
      "between two looks at success rates, and before an ejection less is remembered",
    ),
    baseEjectionTimeMs: Milliseconds(1, 30_000, "an ejection lasts so long times those before it, this one included"),
    maxEjectionTimeMs: Milliseconds(1, 300_000, "at most so long, or baseEjectionTimeMs where that is more"),
    maxEjectionTimeJitterMs: Milliseconds(
      0,
      0,
      "and by chance up to so much longer, so that not all come back at once",
    ),
    maxEjectionPercent: Percent(10, "of the endpoints that are out at a time; one always may be, unless this is 0"),
    probation: Type.Boolean({
      default: true,
      description:
        "whether one request at a time is sent to an endpoint whose ejection is over, and the first answer decides; else it is back at once, as with Envoy",
    }),
    enforcingConsecutive5xx: Enforcing(100, "consecutive5xx"),
    enforcingConsecutiveGatewayFailure: Enforcing(0, "consecutiveGatewayFailure"),
    enforcingConsecutiveLocalOriginFailure: Enforcing(100, "consecutiveLocalOriginFailure"),
    enforcingSuccessRate: Enforcing(100, "a low success rate"),
    enforcingLocalOriginSuccessRate: Enforcing(100, "a low success rate of connections"),
    successRateMinimumHosts: Count(
      1,
      5,
      "rates are compared where so many endpoints had enough requests in an interval",
    ),
    successRateRequestVolume: Count(1, 100, "requests in an interval that are enough"),
    successRateStdevFactor: Type.Number({
      minimum: 0,
      maximum: 1_000,
      default: 1.9,
      description: "a rate below the mean less so many standard deviations ejects; Envoy's 1900",
    }),
    enforcingFailurePercentage: Enforcing(0, "failurePercentageThreshold"),
    enforcingFailurePercentageLocalOrigin: Enforcing(0, "failurePercentageThreshold for connections"),
    failurePercentageThreshold: Percent(85, "of an endpoint's requests in an interval that fail"),
    failurePercentageMinimumHosts: Count(1, 5, "as successRateMinimumHosts"),
    failurePercentageRequestVolume: Count(1, 50, "as successRateRequestVolume"),
    successfulHealthCheckUnejects: Type.Boolean({
      default: true,
      description:
        "whether a passed `healthCheck` ends an ejection early; Envoy's successful_active_health_check_uneject_host",
    }),
  },
  {
    ...closed,
    description: "endpoints that fail are left out for a while; off when absent; Consul's PassiveHealthCheck",
  },
);

export type OutlierDetectionConfig = Static<typeof OutlierDetectionSchema>;
