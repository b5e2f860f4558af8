import { type Backoff, createBackoff } from "../../../lib/base/backoff.ts";
import type { Timer } from "../../../lib/base/clock.ts";
import { errorMessage } from "../../../lib/base/errors.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import { maskedUrl } from "../../../lib/contract/secret-fields.ts";
import type { TelemetryOutputs } from "../outputs.ts";
import { otlpBody, type OtlpSpan } from "./otlp.ts";

export interface SpanExporterOptions extends Runtime {
  readonly post: TelemetryOutputs["post"];
  readonly serviceName: () => string;
  /** The collector's URL as it is now; spans are dropped while there is none. */
  readonly url: () => string | undefined;
  readonly maxWaitingSpans: () => number;
}

/** OpenTelemetry's batch processor has these, but for the delay: it waits 5 s. */
const maxBatch = 512;
const delayMs = 1_000;
const postTimeoutMs = 10_000;
/** Answers of a collector that is there and asks for another attempt (OTLP, "retryable response codes"). */
const retryableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const maxAttempts = 5;

/**
 * Sends spans to a collector in batches, one at a time, and gives a batch up after a few attempts. Spans that wait are bounded, those under
 * way included; what is more is dropped and counted. Requests never wait for a collector.
 */
export class SpanExporter {
  exported = 0;
  dropped = 0;
  readonly #options: SpanExporterOptions;
  readonly #backoff: Backoff;
  #waiting: OtlpSpan[] = [];
  #sending: readonly OtlpSpan[] = [];
  #attempts = 0;
  #timer: Timer | undefined;
  #isFailing = false;
  #isFlushing = false;
  #onIdle: (() => void)[] = [];

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ minDelayMs: 1_000, maxDelayMs: 30_000, random: options.random });
  }

  add(span: OtlpSpan): void {
    if (this.#waiting.length + this.#sending.length >= this.#options.maxWaitingSpans()) {
      this.dropped++;
      return;
    }
    this.#waiting.push(span);
    if (this.#sending.length > 0) return;
    if (this.#waiting.length >= maxBatch) this.#sendNext();
    else this.#timer ??= this.#options.clock.after(delayMs, () => this.#sendNext());
  }

  /** Sends what waits now, without another attempt for what fails; resolves when that is over. */
  flush(): Promise<void> {
    if (this.#waiting.length + this.#sending.length === 0) return Promise.resolve();
    this.#isFlushing = true;
    const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
    if (this.#timer !== undefined) this.#sendNext();
    return idle;
  }

  close(): void {
    // What is under way may end, and is not tried again.
    this.#isFlushing = true;
    this.dropped += this.#waiting.length;
    this.#waiting = [];
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.dropped += this.#sending.length;
    this.#sending = [];
  }

  /** Another attempt of the batch under way, or the next one. */
  #sendNext(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#sending.length === 0) {
      this.#sending = this.#waiting.splice(0, maxBatch);
      this.#attempts = 0;
    }
    if (this.#sending.length === 0) {
      this.#isFlushing = false;
      for (const resolve of this.#onIdle.splice(0)) resolve();
      return;
    }
    const url = this.#options.url();
    if (url === undefined) {
      this.#finish(false);
      return;
    }
    this.#attempts++;
    const body = otlpBody(this.#options.serviceName(), this.#sending);
    this.#options.post(url, body, postTimeoutMs).then(
      (status) => this.#onAnswer(status, `status ${status}`),
      (thrown: unknown) => this.#onAnswer(0, errorMessage(thrown)),
    );
  }

  #onAnswer(status: number, text: string): void {
    const isTaken = status >= 200 && status < 300;
    if (!isTaken && !this.#isFailing) {
      const url = maskedUrl(this.#options.url() ?? "");
      this.#options.logger.warn("the collector does not take spans", { url, answer: text });
    }
    this.#isFailing = !isTaken;
    const isWorthAnother = status === 0 || retryableStatuses.has(status);
    if (!isTaken && isWorthAnother && this.#attempts < maxAttempts && !this.#isFlushing) {
      this.#timer = this.#options.clock.after(this.#backoff.nextDelayMs(), () => this.#sendNext());
      return;
    }
    this.#finish(isTaken);
  }

  #finish(isTaken: boolean): void {
    if (isTaken) this.exported += this.#sending.length;
    else this.dropped += this.#sending.length;
    if (isTaken) this.#backoff.reset();
    this.#sending = [];
    if (this.#waiting.length >= maxBatch || this.#isFlushing) this.#sendNext();
    else if (this.#waiting.length > 0) this.#timer = this.#options.clock.after(delayMs, () => this.#sendNext());
  }
}
