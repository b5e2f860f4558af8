import type { HealthCheckConfig } from "../../../lib/contract/proxy-health-check.ts";

/** What the checks of one endpoint say of it: it takes several in a row to change that. */
export class CheckedHealth {
  isHealthy: boolean;
  /** Nothing is known but what the configuration says. */
  #isFirst = true;
  /** Checks in a row that say otherwise. */
  #otherwise = 0;

  constructor({ initialState }: Pick<HealthCheckConfig, "initialState">) {
    this.isHealthy = initialState === "healthy";
  }

  /** One more check. Returns whether it has changed the endpoint's health. */
  observe(
    hasPassed: boolean,
    { healthyThreshold, unhealthyThreshold }: Pick<HealthCheckConfig, "healthyThreshold" | "unhealthyThreshold">,
  ): boolean {
    // As in Envoy: an endpoint that begins outside is in with the first check that it passes.
    const isEntry = this.#isFirst && hasPassed && !this.isHealthy;
    this.#isFirst = false;
    this.#otherwise = hasPassed === this.isHealthy ? 0 : this.#otherwise + 1;
    if (!isEntry && this.#otherwise < (hasPassed ? healthyThreshold : unhealthyThreshold)) return false;
    if (hasPassed === this.isHealthy) return false;
    this.isHealthy = hasPassed;
    this.#otherwise = 0;
    return true;
  }
}
