import { formatLine, type LogFields, type Logger, type LogLevel, logLevels } from "./logger.ts";

/**
 * Readers of a running program's log, beside the place where it is written to. Each asks for a level of its own, which may be lower
 * than the program's. While nobody reads, a line costs one comparison more.
 */
export interface LogTaps {
  /** Calls `onLine` with each later line of at least `level`, without its line end, until closed. It must not throw. */
  open(options: LogTapOptions): { close(): void };
  /** A logger that writes to `inner` and to the readers. `component` is what `inner` calls itself. */
  tap(inner: Logger, component: string): Logger;
}

export interface LogTapOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly onLine: (line: string) => void;
}

export function createLogTaps(nowMs: () => number): LogTaps {
  const readers = new Set<LogTapOptions>();
  const offer = (component: string, level: LogLevel, message: string, fields: LogFields | undefined): void => {
    for (const reader of readers) {
      if (logLevels.indexOf(level) < logLevels.indexOf(reader.level)) continue;
      reader.onLine(formatLine({ component, format: reader.format, nowMs }, level, message, fields));
    }
  };
  const tap = (inner: Logger, component: string): Logger => {
    const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
      inner[level](message, fields);
      if (readers.size > 0) offer(component, level, message, fields);
    };
    return {
      trace: at("trace"),
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (name) => tap(inner.child(name), `${component}.${name}`),
    };
  };
  return {
    open(options) {
      // A copy, so that two readers that ask for the same are two.
      const reader = { ...options };
      readers.add(reader);
      return { close: () => void readers.delete(reader) };
    },
    tap,
  };
}
