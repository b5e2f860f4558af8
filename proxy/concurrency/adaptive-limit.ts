import { isDeepStrictEqual } from "node:util";
import type { AdaptiveConcurrency } from "../../lib/contract/proxy-concurrency.ts";
import type { Stage } from "../exchange/policy.ts";
import { ConcurrencyStage } from "./concurrency-stage.ts";
import { GradientController } from "./gradient-controller.ts";

export interface AdaptiveLimitOptions {
  readonly clock: { monotonicMs(): number };
  readonly random: { float(): number };
}

/** The door of this folder: the limit of the requests under way to one application or destination, while there is one. */
export class AdaptiveLimit {
  readonly #options: AdaptiveLimitOptions;
  #config: AdaptiveConcurrency;
  #controller: GradientController | undefined;
  #stages: readonly Stage[] = [];

  constructor(options: AdaptiveLimitOptions, config: AdaptiveConcurrency) {
    this.#options = options;
    this.#config = config;
    this.#compile();
  }

  /** As it is now, for metrics; undefined while it is off. */
  get controller(): GradientController | undefined {
    return this.#controller;
  }

  /** What requests have to pass: none while it is off. The same until the settings change. */
  get stages(): readonly Stage[] {
    return this.#stages;
  }

  /** New settings begin anew; requests under way are still counted where they began. */
  update(config: AdaptiveConcurrency): void {
    if (isDeepStrictEqual(config, this.#config)) return;
    this.#config = config;
    this.#compile();
  }

  #compile(): void {
    const { clock, random } = this.#options;
    this.#controller = this.#config.enabled ? new GradientController(this.#config, () => random.float()) : undefined;
    const monotonicMs = (): number => clock.monotonicMs();
    this.#stages = this.#controller === undefined ? [] : [new ConcurrencyStage(this.#controller, monotonicMs)];
  }
}
