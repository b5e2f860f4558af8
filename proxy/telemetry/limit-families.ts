import type { GradientController } from "../concurrency/gradient-controller.ts";
import type { Family, Sample } from "./exposition.ts";
import { limitKinds, type RateLimitCounters } from "./rate-limit-counters.ts";

/** What limits of rate say of one listener; nothing while it has none. */
export interface LimitedListener {
  readonly limits: {
    readonly isOn: boolean;
    readonly counts: RateLimitCounters;
    readonly requests: { readonly identities: number } | undefined;
  };
}

/** The metrics of limits: what they have let through and what not. */
export function limitFamilies<T extends LimitedListener>(
  listeners: readonly T[],
  labelsOf: (listener: T) => Record<string, string>,
): Family[] {
  const limited = listeners.filter(({ limits }) => limits.isOn);
  return [
    {
      name: "atoll_proxy_rate_limit_total",
      help: "Requests and connections that a limit of rate has counted, by what it limits and what became of them.",
      type: "counter",
      samples: limited.flatMap((listener) => rateSamples(labelsOf(listener), listener.limits.counts)),
    },
    {
      name: "atoll_proxy_rate_limit_identities",
      help: "Callers with a limit of their own now.",
      type: "gauge",
      samples: limited.flatMap((listener) => {
        const { requests } = listener.limits;
        return requests === undefined ? [] : [{ labels: labelsOf(listener), value: requests.identities }];
      }),
    },
  ];
}

function rateSamples(labels: Record<string, string>, { allowed, limited, shadow }: RateLimitCounters): Sample[] {
  return limitKinds.flatMap((limit) => [
    { labels: { ...labels, limit, result: "allowed" }, value: allowed[limit] },
    { labels: { ...labels, limit, result: "limited" }, value: limited[limit] },
    { labels: { ...labels, limit, result: "shadow" }, value: shadow[limit] },
  ]);
}

/** A limit of the requests under way, as it is now. */
export interface ConcurrencyReading {
  readonly labels: Readonly<Record<string, string>>;
  readonly controller: Pick<GradientController, "limit" | "inFlight" | "minRttMs" | "isMeasuring">;
}

export function concurrencyFamilies(readings: readonly ConcurrencyReading[]): Family[] {
  const gauge = (name: string, help: string, read: (of: ConcurrencyReading["controller"]) => number): Family => ({
    name,
    help,
    type: "gauge",
    samples: readings.map(({ labels, controller }) => ({ labels, value: read(controller) })),
  });
  return [
    gauge(
      "atoll_proxy_concurrency_limit",
      "Requests that may be under way by adaptiveConcurrency.",
      ({ limit }) => limit,
    ),
    gauge("atoll_proxy_concurrency_in_flight", "Requests under way that it counts.", ({ inFlight }) => inFlight),
    {
      ...gauge(
        "atoll_proxy_concurrency_min_rtt_ms",
        "The least latency, as it was measured last; 0 before that.",
        ({ minRttMs }) => minRttMs,
      ),
      merge: "max",
    },
    {
      ...gauge("atoll_proxy_concurrency_measuring", "1 while the least latency is measured.", ({ isMeasuring }) =>
        isMeasuring ? 1 : 0,
      ),
      merge: "max",
    },
  ];
}
