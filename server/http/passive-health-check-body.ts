import { Type } from "typebox";
import type { Static } from "typebox";
import type { PassiveHealthCheck } from "../../lib/contract/upstream-config.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { Count, Duration, durationMs, refusal } from "./entry-fields.ts";
import { durationAnswer } from "./service-router-answer.ts";

/** In Consul a pointer: 0 is not the same as nothing. */
const Percent = Type.Optional(Type.Integer({ minimum: 0, maximum: 100 }));

/** `PassiveHealthCheck` of an upstream in a `service-defaults` entry. */
export const PassiveHealthCheckBody = Type.Optional(
  Type.Object({
    Interval: Duration,
    MaxFailures: Count,
    EnforcingConsecutive5xx: Percent,
    MaxEjectionPercent: Percent,
    BaseEjectionTime: Duration,
  }),
);

/** The bounds of a proxy's document. */
const largestMs = 86_400_000;
const shortestIntervalMs = 100;

export function decodePassiveHealthCheck(
  body: Static<typeof PassiveHealthCheckBody> | undefined,
  path: string,
): PassiveHealthCheck | undefined {
  if (body === undefined) return undefined;
  const { EnforcingConsecutive5xx, MaxEjectionPercent, MaxFailures = 0 } = body;
  const IntervalMs = durationMs(body.Interval, `${path}.Interval`, largestMs);
  if (IntervalMs > 0 && IntervalMs < shortestIntervalMs) {
    throw refusal(`${path}.Interval must be at least 100ms, or 0s for the default, found ${IntervalMs}ms`);
  }
  return {
    IntervalMs,
    MaxFailures,
    ...(EnforcingConsecutive5xx !== undefined && { EnforcingConsecutive5xx }),
    ...(MaxEjectionPercent !== undefined && { MaxEjectionPercent }),
    BaseEjectionTimeMs: durationMs(body.BaseEjectionTime, `${path}.BaseEjectionTime`, largestMs),
  };
}

/** Consul's JSON. */
export function passiveHealthCheckAnswer(check: PassiveHealthCheck): object {
  const { EnforcingConsecutive5xx, MaxEjectionPercent } = check;
  return {
    ...durationAnswer("Interval", check.IntervalMs),
    ...unlessEmpty("MaxFailures", check.MaxFailures),
    ...(EnforcingConsecutive5xx !== undefined && { EnforcingConsecutive5xx }),
    ...(MaxEjectionPercent !== undefined && { MaxEjectionPercent }),
    ...durationAnswer("BaseEjectionTime", check.BaseEjectionTimeMs),
  };
}
