import type { ExtAuthzCounters } from "../authz/ext-authz/counters.ts";
import { type Family, histogramSamples, type Sample } from "./exposition.ts";
import { latencyBoundsMs } from "./http-counters.ts";

/** The checks of one listener, under the labels of that listener. */
export interface ExtAuthzReading {
  readonly labels: Readonly<Record<string, string>>;
  readonly counters: ExtAuthzCounters;
}

/** What external authorization costs and decides; without series where it is not configured. */
export function extAuthzFamilies(readings: readonly ExtAuthzReading[]): Family[] {
  const counter = (name: string, help: string, samplesOf: (reading: ExtAuthzReading) => Sample[]): Family => ({
    ...{ name, help, type: "counter" },
    samples: readings.flatMap(samplesOf),
  });
  return [
    counter("atoll_proxy_ext_authz_checks_total", "Checks of an external authorizer, by result.", (reading) =>
      Object.entries(reading.counters.checks).map(([result, value]) => ({
        labels: { ...reading.labels, result },
        value,
      })),
    ),
    {
      name: "atoll_proxy_ext_authz_latency_ms",
      help: "Milliseconds until a check was answered, failed or late.",
      type: "histogram",
      samples: readings.flatMap(({ labels, counters }) =>
        histogramSamples(labels, {
          bounds: latencyBoundsMs,
          buckets: counters.latencyBuckets,
          sum: counters.latencySumMs,
        }),
      ),
    },
    counter(
      "atoll_proxy_ext_authz_failure_mode_allowed_total",
      "Requests that went on because the authorizer gave no answer.",
      ({ labels, counters }) => [{ labels, value: counters.failureModeAllowed }],
    ),
    counter(
      "atoll_proxy_ext_authz_bypassed_total",
      "Requests that the authorizer was not asked about.",
      ({ labels, counters }) => [{ labels, value: counters.bypassed }],
    ),
    counter(
      "atoll_proxy_ext_authz_dry_run_denials_total",
      "Requests that an authorizer in dry run would have denied.",
      ({ labels, counters }) => [{ labels, value: counters.dryRunDenials }],
    ),
    counter(
      "atoll_proxy_ext_authz_ignored_changes_total",
      "Changes of an authorizer to what is not its to change.",
      ({ labels, counters }) => [{ labels, value: counters.ignoredChanges }],
    ),
  ];
}
