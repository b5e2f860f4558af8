import type { LogOutput } from "../outputs.ts";

/** Lines that got to their output, and those that did not. */
export interface LineCounts {
  written: number;
  dropped: number;
}

export interface LineSinkOptions {
  readonly counts: LineCounts;
  readonly output: LogOutput;
  readonly atEndOfTurn: (callback: () => void) => void;
  readonly maxWaitingBytes: () => number;
  /** A write is over: undefined when it went well. */
  readonly onWritten: (error: Error | undefined) => void;
}

/**
 * Gathers the lines of one turn of the event loop and writes them together, one write at a time. What a slow output leaves waiting is
 * bounded: lines beyond that are dropped and counted, and nobody waits for them.
 */
export class LineSink {
  readonly #options: LineSinkOptions;
  #waiting = "";
  #waitingLines = 0;
  #writingLength = 0;
  #isScheduled = false;
  #isWriting = false;
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
    if (this.#isScheduled || this.#isWriting) return;
    this.#isScheduled = true;
    this.#options.atEndOfTurn(this.#write);
  }

  /** Resolves when everything that was added has been written or given up. */
  flush(): Promise<void> {
    if (this.#waitingLines === 0 && !this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** The rest is written first, as far as the output takes it. */
  close(): void {
    void this.flush().then(() => this.#options.output.close());
  }

  refresh(): void {
    this.#options.output.refresh();
  }

  readonly #write = (): void => {
    this.#isScheduled = false;
    const lines = this.#waitingLines;
    if (lines === 0 || this.#isWriting) return;
    const text = this.#waiting;
    this.#waiting = "";
    this.#waitingLines = 0;
    this.#writingLength = text.length;
    this.#isWriting = true;
    this.#options.output.write(text, (error) => this.#onWritten(lines, error));
  };

  #onWritten(lines: number, error: Error | undefined): void {
    this.#isWriting = false;
    this.#writingLength = 0;
    const { counts } = this.#options;
    if (error === undefined) counts.written += lines;
    else counts.dropped += lines;
    this.#options.onWritten(error);
    if (this.#waitingLines > 0) {
      this.#write();
      return;
    }
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
