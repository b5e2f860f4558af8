import type { Socket } from "node:net";

/** Carries the bytes of one direction of one connection, in order: at once, later, or not until it is released. */
export class Pump {
  readonly direction: string;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #queue: { readonly dueMs: number; readonly chunk: Buffer }[] = [];
  #delayMs = 0;
  #isHeld = false;
  #isSinkFull = false;
  #hasEnded = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: { readonly direction: string; readonly source: Socket; readonly sink: Socket }) {
    this.direction = options.direction;
    this.#source = options.source;
    this.#sink = options.sink;
    this.#source.on("data", (chunk: Buffer) => {
      this.#queue.push({ dueMs: performance.now() + this.#delayMs, chunk });
      this.#flush();
    });
    this.#source.on("end", () => {
      this.#hasEnded = true;
      this.#flush();
    });
    this.#source.on("close", () => clearTimeout(this.#timer));
    this.#sink.on("drain", () => {
      this.#isSinkFull = false;
      this.#flush();
      this.#steer();
    });
  }

  set(settings: { readonly isHeld: boolean; readonly delayMs: number }): void {
    this.#isHeld = settings.isHeld;
    this.#delayMs = settings.delayMs;
    this.#flush();
    this.#steer();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (!this.#isHeld) {
      const [next] = this.#queue;
      if (next === undefined) break;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0 && this.#delayMs > 0) {
        this.#timer = setTimeout(() => this.#flush(), waitMs);
        return;
      }
      this.#queue.shift();
      if (!this.#sink.write(next.chunk)) this.#isSinkFull = true;
    }
    if (this.#hasEnded && this.#queue.length === 0 && !this.#isHeld) this.#sink.end();
    this.#steer();
  }

  /** A source that is not read fills the kernel's buffers and then stalls its writer, as a dead link does. */
  #steer(): void {
    if (this.#isHeld || this.#isSinkFull) this.#source.pause();
    else this.#source.resume();
  }
}
