import { Type } from "typebox";
import type { Static } from "typebox";
import type { RateLimit, RouteRateLimit, ServiceRateLimits } from "../../lib/contract/service-rate-limits.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { checkRegex, refusal, Text } from "./entry-fields.ts";

/** The bound of a proxy's document. */
const Rate = Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 }));
const largestPathChars = 4_096;
const rate = { RequestsPerSecond: Rate, RequestsMaxBurst: Rate };

const RouteBody = Type.Object({ PathExact: Text, PathPrefix: Text, PathRegex: Text, ...rate });
/** `RateLimits` of a `service-defaults` entry. */
export const RateLimitsBody = Type.Optional(
  Type.Object({
    InstanceLevel: Type.Optional(
      Type.Object({ ...rate, Routes: Type.Optional(Type.Array(RouteBody, { maxItems: 1_000 })) }),
    ),
  }),
);

/** Undefined where nothing is limited. */
export function decodeRateLimits(body: Static<typeof RateLimitsBody> | undefined): ServiceRateLimits | undefined {
  const path = "RateLimits.InstanceLevel";
  const { Routes: routes = [], ...given } = body?.InstanceLevel ?? {};
  const limit = rateLimit(given, path);
  const Routes = routes.map((route, i) => routeLimit(route, `${path}.Routes[${i}]`));
  if (limit.RequestsPerSecond === 0 && Routes.length === 0) return undefined;
  return { InstanceLevel: { ...limit, Routes } };
}

function routeLimit(body: Static<typeof RouteBody>, path: string): RouteRateLimit {
  const { PathExact = "", PathPrefix = "", PathRegex = "" } = body;
  const given = Object.entries({ PathExact, PathPrefix, PathRegex }).filter(([, text]) => text !== "");
  const [only, ...others] = given;
  if (only === undefined || others.length > 0) {
    throw refusal(`${path} must have exactly one of PathExact, PathPrefix and PathRegex, found ${given.length}`);
  }
  const [field, text] = only;
  if (text.length > largestPathChars) throw refusal(`${path}.${field} has more than ${largestPathChars} characters`);
  if (field === "PathRegex") checkRegex(text, `${path}.${field}`);
  else if (!text.startsWith("/")) throw refusal(`${path}.${field} must begin with "/", found "${text}"`);
  return { PathExact, PathPrefix, PathRegex, ...rateLimit(body, path) };
}

function rateLimit(body: Partial<RateLimit>, path: string): RateLimit {
  const { RequestsPerSecond = 0, RequestsMaxBurst = 0 } = body;
  if (RequestsPerSecond === 0 && RequestsMaxBurst > 0) {
    throw refusal(`${path}.RequestsPerSecond is required beside RequestsMaxBurst, found 0`);
  }
  return { RequestsPerSecond, RequestsMaxBurst };
}

/** Consul's JSON. */
export function rateLimitsAnswer({ InstanceLevel: { Routes, ...limit } }: ServiceRateLimits): object {
  return { InstanceLevel: { ...rateAnswer(limit), ...unlessEmpty("Routes", Routes.map(routeAnswer)) } };
}

function routeAnswer({ PathExact, PathPrefix, PathRegex, ...limit }: RouteRateLimit): object {
  return {
    ...unlessEmpty("PathExact", PathExact),
    ...unlessEmpty("PathPrefix", PathPrefix),
    ...unlessEmpty("PathRegex", PathRegex),
    ...rateAnswer(limit),
  };
}

function rateAnswer({ RequestsPerSecond, RequestsMaxBurst }: RateLimit): object {
  return {
    ...unlessEmpty("RequestsPerSecond", RequestsPerSecond),
    ...unlessEmpty("RequestsMaxBurst", RequestsMaxBurst),
  };
}
