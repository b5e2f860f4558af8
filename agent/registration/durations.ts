import { parseDurationMs } from "../../lib/base/duration.ts";
import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";

/** Timers hold 32-bit milliseconds, so a longer duration could not be honoured. */
export const maxDurationMs = 2_147_483_647;

const nanosecondsPerMs = 1e6;

/**
 * Reads a duration field: text such as `10s` or `1m30s`, or a whole number of nanoseconds. Absent and empty are 0. What
 * cannot be read is added to `issues` and counts as 0.
 */
export function readDurationMs(field: string, value: unknown, issues: SchemaIssue[]): number {
  if (value === undefined || value === "") return 0;
  const durationMs = toMs(value);
  if (durationMs === undefined) {
    const found = JSON.stringify(value).slice(0, 80);
    const expected = 'must be a duration such as "10s" or "1m30s", or a whole number of nanoseconds';
    issues.push({ path: field, message: `${expected}, found ${found}` });
    return 0;
  }
  if (durationMs < 0 || durationMs > maxDurationMs) {
    issues.push({ path: field, message: `must be between 0s and 596h, found ${JSON.stringify(value)}` });
    return 0;
  }
  return durationMs;
}

function toMs(value: unknown): number | undefined {
  if (typeof value === "string") return parseDurationMs(value);
  return typeof value === "number" && Number.isInteger(value) ? value / nanosecondsPerMs : undefined;
}
