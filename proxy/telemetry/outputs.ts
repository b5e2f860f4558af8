/** What telemetry needs of the machine: handed in, so that tests have their own. */
export interface TelemetryOutputs {
  /** `stdout`, `stderr` or an absolute path. Opens nothing before the first write. */
  openLog(path: string): LogOutput;
  /** Posts JSON; resolves to the status, rejects when there is no answer in time. */
  post(url: string, body: string, timeoutMs: number): Promise<number>;
}

export interface LogOutput {
  /** Writes all of `text`, never blocking the caller; the next only after the answer, which is undefined or what went wrong. */
  write(text: string, onDone: (error: Error | undefined) => void): void;
  /** A file that was moved away is made again for what is written next. */
  refresh(): void;
  close(): void;
}
