import { resolve } from "node:path";
import { parseDurationMs } from "../../lib/base/duration.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { ProcessSettings } from "./edge-settings.ts";

/** How the process behaves towards its machine: its log files, its pid file and its signals. */
export interface ProcessOptions {
  /** Absolute. */
  readonly pidFile?: string;
  readonly logFile?: LogFileOptions;
  /** SIGINT ends without leaving. */
  readonly skipLeaveOnInterrupt: boolean;
}

export interface LogFileOptions {
  /** As written, made absolute; a path that ends in a separator names a directory. */
  readonly path: string;
  readonly rotateAfterMs: number;
  /** 0 for no limit. */
  readonly rotateAfterBytes: number;
  /** How many older files stay: 0 for all, -1 for none. */
  readonly maxFiles: number;
}

const defaultRotateAfterMs = 24 * 3_600_000;

/** Throws `CONFIG_INVALID` that names the key and the value. */
export function resolveProcess(
  settings: ProcessSettings,
  /** What a node does at SIGINT when nobody said. */
  context: { readonly workingDir: string; readonly leavesOnInterrupt: boolean },
): ProcessOptions {
  const { workingDir, leavesOnInterrupt } = context;
  return {
    ...(settings.pidFile && { pidFile: resolve(workingDir, settings.pidFile) }),
    ...(settings.logFile && {
      logFile: {
        path: resolve(workingDir, settings.logFile) + (settings.logFile.endsWith("/") ? "/" : ""),
        rotateAfterMs: readDuration(settings.logRotateDuration),
        rotateAfterBytes: settings.logRotateBytes ?? 0,
        maxFiles: settings.logRotateMaxFiles ?? 0,
      },
    }),
    skipLeaveOnInterrupt: settings.skipLeaveOnInterrupt ?? !leavesOnInterrupt,
  };
}

function readDuration(text: string | undefined): number {
  if (text === undefined) return defaultRotateAfterMs;
  const durationMs = parseDurationMs(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  throw new AtollError("CONFIG_INVALID", `log_rotate_duration must be a duration such as "24h", found "${text}"`);
}
