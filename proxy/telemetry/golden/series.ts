import type { Observation } from "../../exchange/observation.ts";
import { latencyBoundsMs } from "../http-counters.ts";
import type { Direction } from "../listener-observer.ts";
import { Histogram } from "./histogram.ts";

/** Of bodies. */
const byteBounds = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000] as const;

/** What the requests of one series have in common: its labels, whatever names they get. */
export interface SeriesLabels {
  readonly direction: Direction;
  readonly service: string;
  readonly listen: string;
  /** SPIFFE URI; empty where nobody has shown one, as on the side of the application. */
  readonly caller: string;
  readonly route: string;
  readonly cluster: string;
  readonly protocol: string;
  /** As text, since the series of what is beyond the budget has `overflow` here. `0` is no response. */
  readonly status: string;
  /** Empty for what is no gRPC call. */
  readonly grpcStatus: string;
  /** Empty for none. */
  readonly flags: string;
  readonly isFailure: boolean;
}

/** The golden signals of one combination of labels. Once there, counting a request allocates nothing. */
export class Series {
  readonly labels: SeriesLabels;
  requests = 0;
  responses = 0;
  readonly firstByteMs = new Histogram(latencyBoundsMs);
  readonly durationMs = new Histogram(latencyBoundsMs);
  readonly requestBytes = new Histogram(byteBounds);
  readonly responseBytes = new Histogram(byteBounds);
  lastUsedMs = 0;

  constructor(labels: SeriesLabels) {
    this.labels = labels;
  }

  count({ startedMs, firstByteMs, endedMs, requestBytes, responseBytes }: Observation): void {
    this.requests++;
    this.lastUsedMs = endedMs;
    this.durationMs.observe(endedMs - startedMs);
    this.requestBytes.observe(requestBytes);
    this.responseBytes.observe(responseBytes);
    if (firstByteMs < 0) return;
    this.responses++;
    this.firstByteMs.observe(firstByteMs - startedMs);
  }
}
