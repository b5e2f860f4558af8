import type { Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";
import type { Random } from "./random.ts";

/**
 * What a component needs from the world besides its own collaborators. Entry points build one from the real machine,
 * tests and the simulator build one that they control.
 */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The runtime of a control-plane program, which also counts in a prom-client registry. */
export interface MeteredRuntime extends Runtime {
  readonly metrics: Registry;
}
