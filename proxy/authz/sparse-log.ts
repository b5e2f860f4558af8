import type { Logger } from "../../lib/base/logger.ts";

/** Lines of one kind in each span of time; the rest is counted and told with the next line. */
export const maxLines = 10;
export const spanMs = 10_000;

export interface SparseLogOptions {
  readonly logger: Logger;
  readonly level: "info" | "warn";
  readonly message: string;
  readonly monotonicMs: () => number;
}

/** Logs what every request of a busy caller may be about: it must not fill the disk. */
export class SparseLog {
  readonly #options: SparseLogOptions;
  #spanEndMs = 0;
  #lines = 0;
  #suppressed = 0;

  constructor(options: SparseLogOptions) {
    this.#options = options;
  }

  /** `facts` hold nothing secret: a path of a request is given without its query. */
  write(facts: Readonly<Record<string, string>>): void {
    const { logger, level, message, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
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
    logger[level](message, { ...facts, ...more });
  }
}
