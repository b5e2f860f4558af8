/** What is logged beside the message. Values are printed as they are: never pass a key, a token or a request body. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export const logLevels = ["trace", "debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Consul's users write `WARN` and `err` too. */
export function parseLogLevel(text: string): LogLevel | undefined {
  const lower = text.toLowerCase() === "err" ? "error" : text.toLowerCase();
  return logLevels.find((candidate) => candidate === lower);
}

/** Structured log. `child` adds a dotted component name, as in `agent.sync`. */
export interface Logger {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  child(component: string): Logger;
}

export interface LoggerOptions {
  readonly component: string;
  /** Asked anew for every line, so that it can change under running programs. */
  readonly level: LogLevel | (() => LogLevel);
  readonly format: "text" | "json";
  readonly nowMs: () => number;
  /** Takes one finished line without its line end. */
  readonly write: (line: string) => void;
}

/** A logger that writes one line per event: `time [LEVEL] component: message: key=value`, or the same as JSON. */
export function createLogger(options: LoggerOptions): Logger {
  const current = options.level;
  const threshold =
    typeof current === "function" ? () => logLevels.indexOf(current()) : constant(logLevels.indexOf(current));
  const emit = (level: LogLevel, message: string, fields: LogFields | undefined): void => {
    if (logLevels.indexOf(level) < threshold()) return;
    options.write(formatLine(options, level, message, fields));
  };
  return {
    trace: (message, fields) => emit("trace", message, fields),
    debug: (message, fields) => emit("debug", message, fields),
    info: (message, fields) => emit("info", message, fields),
    warn: (message, fields) => emit("warn", message, fields),
    error: (message, fields) => emit("error", message, fields),
    child: (component) => createLogger({ ...options, component: `${options.component}.${component}` }),
  };
}

function constant<T>(value: T): () => T {
  return () => value;
}

/** A logger that drops everything, for tests that do not look at logs. */
export const silentLogger: Logger = createLogger({
  component: "silent",
  level: "error",
  format: "text",
  nowMs: () => 0,
  write: () => undefined,
});

/** One line of a log, without its end. */
export function formatLine(
  options: Pick<LoggerOptions, "component" | "format" | "nowMs">,
  level: LogLevel,
  message: string,
  fields: LogFields | undefined,
): string {
  const time = new Date(options.nowMs()).toISOString();
  if (options.format === "json") {
    return JSON.stringify({
      "@timestamp": time,
      "@level": level,
      "@module": options.component,
      "@message": message,
      ...fields,
    });
  }
  const pairs = Object.entries(fields ?? {}).filter(([, value]) => value !== undefined);
  const suffix = pairs.map(([key, value]) => ` ${key}=${quoteIfNeeded(String(value))}`).join("");
  return `${time} [${level.toUpperCase()}] ${options.component}: ${escapeControls(message)}${suffix === "" ? "" : `:${suffix}`}`;
}

function quoteIfNeeded(value: string): string {
  return /^[^\s"=]+$/.test(value) ? escapeControls(value) : JSON.stringify(value);
}

/** Outside input in a message must not be able to forge a log line. */
function escapeControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
