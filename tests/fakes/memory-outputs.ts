import type { LogOutput, TelemetryOutputs } from "../../proxy/telemetry/outputs.ts";

/** Logs that stay in memory, and a collector that answers as a test tells it. */
export class MemoryOutputs implements TelemetryOutputs {
  /** What was written, by path. */
  readonly logs = new Map<string, string>();
  readonly closed: string[] = [];
  readonly posts: { readonly url: string; readonly body: string }[] = [];
  /** The next answers of the collector; 200 when there is none left, and no answer for 0. */
  answers: number[] = [];
  /** Writes wait until `release`, as those to a slow disk. */
  isSlow = false;
  /** What writes fail with. */
  error: Error | undefined;
  #held: (() => void)[] = [];

  openLog(path: string): LogOutput {
    return {
      write: (text, onDone) => {
        const write = (): void => {
          if (this.error === undefined) this.logs.set(path, (this.logs.get(path) ?? "") + text);
          onDone(this.error);
        };
        if (this.isSlow) this.#held.push(write);
        else write();
      },
      refresh: () => undefined,
      close: () => this.closed.push(path),
    };
  }

  /** Lets what waits be written. */
  release(): void {
    for (const write of this.#held.splice(0)) write();
  }

  post(url: string, body: string): Promise<number> {
    const status = this.answers.shift() ?? 200;
    this.posts.push({ url, body });
    return status === 0 ? Promise.reject(new Error("no answer")) : Promise.resolve(status);
  }

  lines(path = "stdout"): string[] {
    return (this.logs.get(path) ?? "").split("\n").slice(0, -1);
  }
}
