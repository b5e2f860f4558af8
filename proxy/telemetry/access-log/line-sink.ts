import type { Clock, Timer } from "../../../lib/base/clock.ts";
import type { LogOutput } from "../outputs.ts";

/** Lines that got to their output, and those that did not. */
export interface LineCounts {
  written: number;
  dropped: number;
}

export interface LineSinkOptions {
  readonly counts: LineCounts;
  readonly output: LogOutput;
  readonly clock: Clock;
  readonly atEndOfTurn: (callback: () => void) => void;
  readonly maxWaitingBytes: () => number;
  /** A write is over: undefined when it went well. */
  readonly onWritten: (error: Error | undefined) => void;
}

/** Between two writes of a busy log. Each costs its thread and two changes of context, many times what a line does. */
const intervalMs = 100;
/** With so much waiting it does not wait any longer. */
const fullLength = 64 * 1024;

/**
 * Gathers lines and writes them together, one write at a time: those of one turn of the event loop when nothing was written of late, else
 * those of a tenth of a second. What a slow output leaves waiting is bounded: lines beyond that are dropped and counted, and
 * nobody waits for them.
 */
export class LineSink {
  readonly #options: LineSinkOptions;
  #waiting = "";
  #waitingLines = 0;
  #writingLength = 0;
  #isScheduled = false;
  #isWriting = false;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #onIdle: (() => void)[] = [];

  constructor(options: LineSinkOptions) {
    this.#options = options;
  }

  /** `line` with its end. */
  add(line: string): void {
    if (this.#waiting.length + this.#writingLength + line.length > this.#options.maxWaitingBytes()) {
      this.#options.counts.dropped++;
      return;
    }
    this.#waiting += line;
    this.#waitingLines++;
    if (!this.#isWriting) this.#schedule();
  }

  /** Resolves when everything that was added has been written or given up. */
  flush(): Promise<void> {
    if (this.#waitingLines === 0 && !this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
      this.#write();
    });
  }

  /** The rest is written first, as far as the output takes it. */
  close(): void {
    void this.flush().then(() => this.#options.output.close());
  }

  refresh(): void {
    this.#options.output.refresh();
  }

  #schedule(): void {
    const { clock, atEndOfTurn } = this.#options;
    const isFull = this.#waiting.length >= fullLength;
    if (this.#isScheduled || (this.#timer !== undefined && !isFull)) return;
    const leftMs = this.#writtenMs + intervalMs - clock.monotonicMs();
    if (leftMs > 0 && !isFull) {
      this.#timer = clock.after(leftMs, this.#write);
      return;
    }
    this.#isScheduled = true;
    atEndOfTurn(this.#write);
  }

  readonly #write = (): void => {
    this.#isScheduled = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    const lines = this.#waitingLines;
    if (lines === 0 || this.#isWriting) return;
    const text = this.#waiting;
    this.#waiting = "";
    this.#waitingLines = 0;
    this.#writingLength = text.length;
    this.#isWriting = true;
    this.#writtenMs = this.#options.clock.monotonicMs();
    this.#options.output.write(text, (error) => this.#onWritten(lines, error));
  };

  #onWritten(lines: number, error: Error | undefined): void {
    this.#isWriting = false;
    this.#writingLength = 0;
    const { counts } = this.#options;
    if (error === undefined) counts.written += lines;
    else counts.dropped += lines;
    this.#options.onWritten(error);
    if (this.#waitingLines === 0) {
      for (const resolve of this.#onIdle.splice(0)) resolve();
    } else if (this.#onIdle.length > 0) this.#write();
    else this.#schedule();
  }
}
