import { runGoJudge } from "./go-judge.ts";
import { local } from "./pairs.ts";

export interface OpenLoopOptions {
  readonly port: number;
  readonly requestsPerSecond: number;
  readonly connections: number;
  readonly seconds: number;
}

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** HTTP/1.1 GETs at a fixed rate; times run from the point at which a request was due. Throws when one was not answered with 200. */
export async function openLoop(options: OpenLoopOptions): Promise<Percentiles> {
  const found = await runGoJudge([
    ...["open-loop", "-target", local(options.port), "-rate", `${options.requestsPerSecond}`],
    ...["-seconds", `${options.seconds}`, "-connections", `${options.connections}`],
  ]);
  const of = (name: string): number => found[name] ?? Number.NaN;
  return { p50: of("p50_ms"), p99: of("p99_ms"), p999: of("p999_ms") };
}
