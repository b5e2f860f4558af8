import type { Clock } from "../../lib/base/clock.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { HeldBytes } from "../buffered-memory.ts";
import type { Deadlines } from "../exchange/deadlines.ts";
import type { Member } from "../connection-set.ts";
import type { Serving } from "../serving.ts";
import type { HttpCounters } from "../telemetry/http-counters.ts";
import { StageCounters } from "./stage-counters.ts";

/** What the stages of one listener share. */
export interface StageContext {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly memory: HeldBytes & { readonly isOverloaded: boolean };
  readonly requests: HttpCounters;
  readonly counters: StageCounters;
}

/** Of the listener that serves so; `random` is from 0 to below 1. */
export function createStageContext(serving: Serving<Member>, runtime: Pick<Runtime, "clock" | "random">): StageContext {
  const { counters, http } = serving;
  const { clock, random } = runtime;
  const { deadlines, memory } = http;
  return {
    clock,
    deadlines,
    memory,
    random: () => random.float(),
    requests: counters,
    counters: new StageCounters(),
  };
}

/** Whether a request is one of so many in a hundred; the random is asked only where there is a choice. */
export function isDrawn(percent: number, random: () => number): boolean {
  return percent >= 100 || (percent > 0 && random() * 100 < percent);
}
