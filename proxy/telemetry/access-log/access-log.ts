import { errorMessage } from "../../../lib/base/errors.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import type { AccessLogConfig } from "../../../lib/contract/proxy-telemetry.ts";
import { isError } from "../outcome.ts";
import type { TelemetryOutputs } from "../outputs.ts";
import { compileLineFormat, type LineFormat, type LoggedRequest } from "./line-format.ts";
import { type LineCounts, LineSink } from "./line-sink.ts";

export interface AccessLogOptions extends Runtime {
  readonly outputs: TelemetryOutputs;
  readonly atEndOfTurn: (callback: () => void) => void;
}

/** The access log of one proxy: chooses, writes and keeps its output open while the path stays the same. */
export class AccessLog {
  readonly counts: LineCounts = { written: 0, dropped: 0 };
  readonly #options: AccessLogOptions;
  #config: AccessLogConfig | undefined;
  #format: LineFormat = () => "";
  #sink: LineSink | undefined;
  #isFailing = false;

  constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#sink !== undefined;
  }

  apply(config: AccessLogConfig): void {
    const previous = this.#config;
    this.#config = config;
    if (this.#sink !== undefined && (!config.enabled || config.path !== previous?.path)) this.#closeSink(this.#sink);
    if (!config.enabled) return;
    this.#format = compileLineFormat(config);
    this.#sink ??= this.#openSink(config.path);
  }

  /** Whether it can be said of a request when it begins that it will not be logged: most are none of its business then. */
  get samplesAnyRequest(): boolean {
    return this.isOn && this.#config?.onlyErrors === false && this.#config.sample < 1;
  }

  /** By chance, as often as requests are to be logged. */
  draw(): boolean {
    const sample = this.#config?.sample ?? 0;
    return sample >= 1 || this.#options.random.float() < sample;
  }

  /** `isDrawn` when chance has spoken already. */
  write(request: LoggedRequest, isDrawn: boolean): void {
    if (this.#config?.onlyErrors === true && !isError(request.observation)) return;
    if (isDrawn || this.draw()) this.#sink?.add(this.#format(request));
  }

  /** Called about once a second. */
  refresh(): void {
    this.#sink?.refresh();
  }

  async flush(): Promise<void> {
    await this.#sink?.flush();
  }

  close(): void {
    if (this.#sink !== undefined) this.#closeSink(this.#sink);
  }

  #openSink(path: string): LineSink {
    return new LineSink({
      counts: this.counts,
      output: this.#options.outputs.openLog(path),
      clock: this.#options.clock,
      atEndOfTurn: this.#options.atEndOfTurn,
      maxWaitingBytes: () => this.#config?.maxWaitingBytes ?? 0,
      onWritten: (error) => {
        // Once, until it works again: the log of the proxy shall not fill up with what the access log cannot take.
        if (error !== undefined && !this.#isFailing) {
          this.#options.logger.warn("the access log cannot be written", { path, error: errorMessage(error) });
        }
        this.#isFailing = error !== undefined;
      },
    });
  }

  #closeSink(sink: LineSink): void {
    this.#sink = undefined;
    sink.close();
  }
}
