import type { LineCounts } from "./access-log/line-sink.ts";
import type { Family } from "./exposition.ts";

export interface TelemetryReadings {
  readonly accessLog: LineCounts;
  readonly spans: { readonly exported: number; readonly dropped: number };
  /** Combinations of labels that have a series of their own, and requests that had none. */
  readonly series: { readonly size: number; readonly overflowed: number };
}

/** What telemetry says of itself: how much was told, and how much had to be dropped. */
export function telemetryFamilies({ accessLog, spans, series }: TelemetryReadings): Family[] {
  return [
    counter("atoll_proxy_access_log_lines_total", "Lines of the access log that were written.", accessLog.written),
    counter(
      "atoll_proxy_access_log_dropped_total",
      "Lines of the access log that its output did not take in time, or not at all.",
      accessLog.dropped,
    ),
    counter("atoll_proxy_spans_exported_total", "Spans that the collector has taken.", spans.exported),
    counter(
      "atoll_proxy_spans_dropped_total",
      "Sampled spans that the collector did not take in time, or not at all.",
      spans.dropped,
    ),
    {
      name: "atoll_proxy_metric_series",
      help: "Combinations of labels that the golden metrics have now.",
      type: "gauge",
      samples: [{ labels: {}, value: series.size }],
    },
    counter(
      "atoll_proxy_metric_series_overflow_total",
      "Requests counted under overflow, since there were as many series as there may be.",
      series.overflowed,
    ),
  ];
}

function counter(name: string, help: string, value: number): Family {
  return { name, help, type: "counter", samples: [{ labels: {}, value }] };
}
