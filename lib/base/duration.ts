/**
 * Durations as Go programs write them: `1h30m`, `10s`, `1.5s`, `250ms`, with a unit on every number. Consul's API and
 * config files use them everywhere, so this is the one reader and the one writer of them.
 */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const wholePattern = /^([+-])?((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const partPattern = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Longer texts are no durations that a person wrote. */
const maxDurationChars = 64;

/** Milliseconds of a duration such as `1m30s`; `0` needs no unit. Undefined when the text is not one. */
export function parseDurationMs(text: string): number | undefined {
  if (text === "0") return 0;
  if (text.length > maxDurationChars || !wholePattern.test(text)) return undefined;
  let totalMs = 0;
  for (const [, number = "", unit = ""] of text.matchAll(partPattern)) totalMs += Number(number) * (unitMs[unit] ?? 0);
  return text.startsWith("-") ? -totalMs : totalMs;
}

/** The shortest Go form of a whole number of milliseconds, as `time.Duration.String` prints it: `1m30s`, `250ms`, `0s`. */
export function formatDurationMs(durationMs: number): string {
  if (durationMs === 0) return "0s";
  if (durationMs < 0) return `-${formatDurationMs(-durationMs)}`;
  if (durationMs < 1_000) return `${durationMs}ms`;
  const hours = Math.floor(durationMs / 3_600_000);
  const minutes = Math.floor((durationMs % 3_600_000) / 60_000);
  const seconds = (durationMs % 60_000) / 1_000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
