import type { Registry } from "prom-client";

/**
 * The metrics as Consul's JSON has them (the shape is go-metrics'): gauges as they are, counters with what they have come to, and
 * distributions as samples. Names and labels are those of the Prometheus form. What go-metrics knows of an interval (its rate,
 * smallest, largest) is 0, since our counters go on for ever.
 */
export async function metricsAnswer(registry: Registry, nowMs: number): Promise<object> {
  const gauges: object[] = [];
  const counters: object[] = [];
  const samples: object[] = [];
  for (const metric of await registry.getMetricsAsJSON()) {
    const values = metric.values.map(readValue);
    if (metric.type.toString() === "gauge") {
      for (const { labels, value } of values) gauges.push({ Name: metric.name, Value: value, Labels: labels });
    } else if (metric.type.toString() === "counter") {
      for (const { labels, value } of values) counters.push(sampled(metric.name, labels, value, value));
    } else {
      samples.push(...distributions(metric.name, values));
    }
  }
  return { Timestamp: goTime(nowMs), Gauges: gauges, Points: [], Counters: counters, Samples: samples };
}

type Labels = Readonly<Record<string, string>>;

interface Value {
  /** Of a distribution: the metric's with `_sum`, `_count` or `_bucket`. */
  readonly name: string;
  readonly value: number;
  readonly labels: Labels;
}

function readValue(raw: { readonly value: number; readonly labels: object; readonly metricName?: string }): Value {
  const labels = Object.fromEntries(Object.entries(raw.labels).map(([name, value]) => [name, String(value)]));
  // prom-client marks a value that it has none for as NaN, which JSON has no word for.
  return { name: raw.metricName ?? "", value: Number.isFinite(raw.value) ? raw.value : 0, labels };
}

/** Sum and count of a distribution are values of their own beside its buckets. */
function distributions(name: string, values: readonly Value[]): object[] {
  const sums = values.filter((value) => value.name === `${name}_sum`);
  return sums.map(({ labels, value: sum }) => {
    const key = JSON.stringify(labels);
    const count = values.find((value) => value.name === `${name}_count` && JSON.stringify(value.labels) === key);
    return sampled(name, labels, count?.value ?? 0, sum);
  });
}

function sampled(name: string, labels: Labels, count: number, sum: number): object {
  // Go's clients read the count as a whole number.
  const whole = Math.round(count);
  const mean = whole === 0 ? 0 : sum / whole;
  return { Name: name, Count: whole, Rate: 0, Sum: sum, Min: 0, Max: 0, Mean: mean, Stddev: 0, Labels: labels };
}

/** As Go prints a time: `2026-11-30 19:40:00 +0000 UTC`. */
function goTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
}
