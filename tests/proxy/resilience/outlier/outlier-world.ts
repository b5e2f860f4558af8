import Value from "typebox/value";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { type OutlierDetectionConfig, OutlierDetectionSchema } from "../../../../lib/contract/proxy-outlier.ts";
import { OutlierCounts } from "../../../../proxy/resilience/outlier/outlier-counts.ts";
import { OutlierDetector } from "../../../../proxy/resilience/outlier/outlier-detector.ts";
import type { OutlierChange, OutlierHost } from "../../../../proxy/resilience/outlier/outlier-host.ts";

export function outlierConfig(more: Partial<OutlierDetectionConfig> = {}): OutlierDetectionConfig {
  return Value.Parse(OutlierDetectionSchema, Value.Default(OutlierDetectionSchema, { ...more }));
}

/** Endpoints under outlier detection, with time that a test moves and chance from a seed. */
export class OutlierWorld {
  nowMs = 0;
  readonly counts = new OutlierCounts();
  readonly detector: OutlierDetector;
  readonly hosts: OutlierHost[] = [];
  /** What was told, as `0 ejected consecutive_5xx 30000`. */
  readonly told: string[] = [];
  readonly random: () => number;

  constructor(hosts: number, more: Partial<OutlierDetectionConfig> = {}, seed = 1) {
    this.random = createSeededRandom(seed).float;
    this.detector = new OutlierDetector(outlierConfig(more), {
      monotonicMs: () => this.nowMs,
      random: this.random,
      counts: this.counts,
    });
    for (let i = 0; i < hosts; i++) this.add();
  }

  add(): OutlierHost {
    const i = this.hosts.length;
    const host = this.detector.add((change) => this.told.push(`${i} ${describe(change)}`));
    this.hosts.push(host);
    return host;
  }

  host(i = 0): OutlierHost {
    const host = this.hosts[i];
    if (host === undefined) throw new Error(`there is no host ${i}`);
    return host;
  }

  /** So many answers of one status. */
  answer(i: number, status: number, times = 1): void {
    for (let k = 0; k < times; k++) this.host(i).onAnswer(status);
  }

  /** Lets time go by, a second and its sweep at a time. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 1_000) {
      this.nowMs += Math.min(1_000, ms - passed);
      this.detector.sweep();
    }
  }

  states(): string {
    return this.hosts.map(({ state }) => state).join(" ");
  }

  takeTold(): string[] {
    return this.told.splice(0);
  }
}

function describe(change: OutlierChange): string {
  return change.to === "ejected" ? `ejected ${change.reason} ${change.forMs}` : change.to;
}
