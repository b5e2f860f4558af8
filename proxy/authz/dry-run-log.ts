import type { Logger } from "../../lib/base/logger.ts";

/** Lines of one listener in each span of time; the rest is counted and told with the next line. */
export const maxLines = 10;
export const spanMs = 10_000;

/** Logs what rules that are only tried out would have denied: a busy caller must not fill the disk with it. */
export class DryRunLog {
  readonly #logger: Logger;
  readonly #monotonicMs: () => number;
  #spanEndMs = 0;
  #lines = 0;
  #suppressed = 0;

  constructor(options: { readonly logger: Logger; readonly monotonicMs: () => number }) {
    this.#logger = options.logger;
    this.#monotonicMs = options.monotonicMs;
  }

  /** Without values of the request that may be secret: `path` is given without its query. */
  write(denial: {
    readonly service: string;
    readonly caller: string;
    readonly rule: string;
    readonly request: string;
  }) {
    const nowMs = this.#monotonicMs();
    if (nowMs >= this.#spanEndMs) {
      this.#spanEndMs = nowMs + spanMs;
      this.#lines = 0;
    }
    if (this.#lines === maxLines) {
      this.#suppressed++;
      return;
    }
    this.#lines++;
    const more = this.#suppressed > 0 ? { suppressed: this.#suppressed } : {};
    this.#suppressed = 0;
    this.#logger.info("dry run: an intention would have denied this", { ...denial, ...more });
  }
}
