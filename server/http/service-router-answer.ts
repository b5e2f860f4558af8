import { formatDurationMs } from "../../lib/base/duration.ts";
import type {
  RouteDestination,
  RouteHttpMatch,
  ServiceRoute,
  ServiceRouterEntry,
} from "../../lib/contract/service-router.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { modifiersAnswer } from "./header-modifiers-body.ts";

/** Consul's JSON of what a router says beside its name. What says nothing is left out. */
export function serviceRouterAnswer({ Routes }: ServiceRouterEntry): object {
  return { Routes: Routes.map(routeAnswer) };
}

/** The same of one route. */
export function routeAnswer({ Match, Destination }: ServiceRoute): object {
  return {
    ...unlessEmpty("Match", matchAnswer(Match)),
    ...unlessEmpty("Destination", destinationAnswer(Destination)),
  };
}

function matchAnswer(match: RouteHttpMatch): object {
  return unlessEmpty("HTTP", {
    ...unlessEmpty("PathExact", match.PathExact),
    ...unlessEmpty("PathPrefix", match.PathPrefix),
    ...unlessEmpty("PathRegex", match.PathRegex),
    ...(match.CaseInsensitive && { CaseInsensitive: true }),
    ...unlessEmpty("Header", match.Header.map(withoutEmpty)),
    ...unlessEmpty("QueryParam", match.QueryParam.map(withoutEmpty)),
    ...unlessEmpty("Methods", match.Methods),
  });
}

function destinationAnswer(destination: RouteDestination): object {
  return {
    ...unlessEmpty("Service", destination.Service),
    ...unlessEmpty("ServiceSubset", destination.ServiceSubset),
    ...unlessEmpty("PrefixRewrite", destination.PrefixRewrite),
    ...durationAnswer("RequestTimeout", destination.RequestTimeoutMs),
    ...durationAnswer("IdleTimeout", destination.IdleTimeoutMs),
    ...unlessEmpty("NumRetries", destination.NumRetries),
    ...(destination.RetryOnConnectFailure && { RetryOnConnectFailure: true }),
    ...unlessEmpty("RetryOn", destination.RetryOn),
    ...unlessEmpty("RetryOnStatusCodes", destination.RetryOnStatusCodes),
    ...modifiersAnswer(destination),
  };
}

/** As Go's clients read it: text, and nothing for none. */
export function durationAnswer(name: string, durationMs: number): object {
  return durationMs === 0 ? {} : { [name]: formatDurationMs(durationMs) };
}

function withoutEmpty(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== false));
}
