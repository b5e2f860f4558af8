import type { GradientController } from "../../../proxy/concurrency/gradient-controller.ts";

export interface SimulationOptions {
  readonly controller: GradientController;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Requests that it works on at the same time; the others wait in order. */
  workers: number;
  /** Of one request, give or take a fifth. */
  serviceMs: number;
  /** Of requests that come whatever becomes of the others, at random times. */
  arrivalsPerSecond: number;
}

interface Job {
  readonly beganMs: number;
}

/** A server with a queue behind a controller, event by event; the knobs may be turned while it runs. */
export class Simulation {
  nowMs = 0;
  refused = 0;
  served = 0;
  /** Of those that were served since `forget`. */
  latencies: number[] = [];
  lowestLimit = Number.POSITIVE_INFINITY;
  mostInFlight = 0;
  readonly knobs: SimulationOptions;
  readonly #queue: Job[] = [];
  readonly #working: { readonly job: Job; readonly endMs: number }[] = [];
  #nextArrivalMs = 0;

  constructor(options: SimulationOptions) {
    this.knobs = options;
  }

  forget(): void {
    this.refused = 0;
    this.served = 0;
    this.latencies = [];
    this.lowestLimit = Number.POSITIVE_INFINITY;
    this.mostInFlight = 0;
  }

  run(ms: number): this {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const end = this.#working.reduce((least, { endMs }) => Math.min(least, endMs), Number.POSITIVE_INFINITY);
      const nextMs = Math.min(end, this.#nextArrivalMs);
      if (nextMs > untilMs) break;
      this.nowMs = nextMs;
      if (nextMs === end) this.#finish(end);
      else this.#arrive();
      const { limit, inFlight } = this.knobs.controller;
      this.lowestLimit = Math.min(this.lowestLimit, limit);
      this.mostInFlight = Math.max(this.mostInFlight, inFlight);
    }
    this.nowMs = untilMs;
    return this;
  }

  /** The median since `forget`. */
  get medianMs(): number {
    return this.latencies.toSorted((a, b) => a - b)[Math.floor(this.latencies.length / 2)] ?? Number.NaN;
  }

  #arrive(): void {
    const { controller, random, arrivalsPerSecond } = this.knobs;
    this.#nextArrivalMs = this.nowMs + (-Math.log(1 - random()) * 1_000) / arrivalsPerSecond;
    if (controller.tryBegin(this.nowMs)) this.#queue.push({ beganMs: this.nowMs });
    else this.refused++;
    this.#work();
  }

  #finish(endMs: number): void {
    const at = this.#working.findIndex((one) => one.endMs === endMs);
    const [done] = this.#working.splice(at, 1);
    if (done === undefined) return;
    const { beganMs } = done.job;
    const latencyMs = this.nowMs - beganMs;
    this.knobs.controller.answer(latencyMs, beganMs, this.nowMs);
    this.knobs.controller.end();
    this.served++;
    this.latencies.push(latencyMs);
    this.#work();
  }

  #work(): void {
    const { workers, serviceMs, random } = this.knobs;
    while (this.#working.length < workers) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      this.#working.push({ job, endMs: this.nowMs + serviceMs * (0.8 + 0.4 * random()) });
    }
  }
}
