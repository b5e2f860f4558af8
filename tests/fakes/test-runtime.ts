import { Registry } from "prom-client";
import type { Clock } from "../../lib/base/clock.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { createLogger } from "../../lib/base/logger.ts";
import { createSeededRandom } from "../../lib/base/random.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";

export interface TestRuntime extends MeteredRuntime {
  /** The log lines so far, without their time. */
  readonly lines: string[];
}

/** A runtime with replayable randomness that keeps its log. */
export function createTestRuntime(options: { readonly clock?: Clock; readonly seed?: number } = {}): TestRuntime {
  const lines: string[] = [];
  const clock = options.clock ?? systemClock;
  const logger = createLogger({
    component: "test",
    level: "debug",
    format: "text",
    nowMs: clock.nowMs,
    write: (line) => lines.push(line.slice(line.indexOf(" ") + 1)),
  });
  return { clock, random: createSeededRandom(options.seed ?? 1), logger, metrics: new Registry(), lines };
}
