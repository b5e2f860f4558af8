import type { LineCounts } from "./access-log/line-sink.ts";
import type { Family } from "./exposition.ts";

export interface TelemetryReadings {
  readonly accessLog: LineCounts;
}

/** What telemetry says of itself: how much was told, and how much had to be dropped. */
export function telemetryFamilies({ accessLog }: TelemetryReadings): Family[] {
  return [
    counter("atoll_proxy_access_log_lines_total", "Lines of the access log that were written.", accessLog.written),
    counter(
      "atoll_proxy_access_log_dropped_total",
      "Lines of the access log that its output did not take in time, or not at all.",
      accessLog.dropped,
    ),
  ];
}

function counter(name: string, help: string, value: number): Family {
  return { name, help, type: "counter", samples: [{ labels: {}, value }] };
}
