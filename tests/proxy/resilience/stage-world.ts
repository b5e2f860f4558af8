import type { Stage } from "../../../proxy/exchange/policy.ts";
import type { StageContext } from "../../../proxy/resilience/stage-context.ts";
import { StageCounters } from "../../../proxy/resilience/stage-counters.ts";
import { UpstreamWorld, type UpstreamWorldOptions } from "../upstream/upstream-world.ts";

/** Exchanges and servers, with a stage between them that is made for their clock. */
export class StageWorld extends UpstreamWorld {
  readonly stageContext: StageContext;

  constructor(options: UpstreamWorldOptions, createStage: (world: StageWorld) => Stage, random = () => 0.5) {
    let stage: Stage | undefined;
    super({
      ...options,
      stages: [{ before: (upstream, head, observed) => stage?.before(upstream, head, observed) ?? upstream }],
    });
    const { deadlines, memory } = this.exchangeContext;
    this.stageContext = {
      clock: this.clock,
      deadlines,
      memory,
      random,
      requests: this.counters,
      counters: new StageCounters(),
    };
    stage = createStage(this);
  }

  /** Deadlines, and bytes that wait for somebody. */
  get leftovers(): readonly [deadlines: number, timers: number, bytes: number] {
    return [this.exchangeContext.deadlines.size, this.clock.pendingTimers(), this.exchangeContext.memory.totalBytes];
  }
}
