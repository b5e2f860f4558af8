import { closeSync, mkdirSync, openSync, readdirSync, unlinkSync, writeSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import type { LogFileOptions } from "../agent/config/process-options.ts";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/** A log on disk that begins a new file by age and size, named as Consul names them: `name-<nanoseconds>.log`. */
export interface LogFile {
  write(line: string): void;
  close(): void;
}

/** Throws `CONFIG_INVALID` when no file can be made there. */
export function openLogFile(
  options: LogFileOptions,
  { program, nowMs }: { readonly program: string; readonly nowMs: () => number },
): LogFile {
  const directory = options.path.endsWith("/") ? options.path : dirname(options.path);
  const name = options.path.endsWith("/") ? `${program}.log` : basename(options.path);
  const extension = extname(name) || ".log";
  const prefix = `${basename(name, extname(name))}-`;
  /** Absent after a new one could not be made: the next line tries again. */
  let file: number | undefined;
  let startedMs = 0;
  let sizeBytes = 0;
  let lastStamp = 0n;

  const open = (): number => {
    startedMs = nowMs();
    sizeBytes = 0;
    const stamp = BigInt(Math.trunc(startedMs)) * 1_000_000n;
    // Two files of one millisecond still need two names.
    lastStamp = stamp > lastStamp ? stamp : lastStamp + 1n;
    return openSync(join(directory, `${prefix}${lastStamp}${extension}`), "a", 0o640);
  };
  const removeOld = (): void => {
    if (options.maxFiles === 0) return;
    const stamped = (one: string): boolean =>
      one.startsWith(prefix) && one.endsWith(extension) && /^\d+$/.test(one.slice(prefix.length, -extension.length));
    const older = readdirSync(directory).filter(stamped).toSorted().slice(0, -1);
    for (const one of older.slice(0, Math.max(0, older.length - Math.max(0, options.maxFiles)))) {
      unlinkSync(join(directory, one));
    }
  };

  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    file = open();
    removeOld();
  } catch (cause) {
    const message = `log_file ${options.path} cannot be written: ${errorMessage(cause)}`;
    throw new AtollError("CONFIG_INVALID", message, { cause });
  }
  return {
    write(line) {
      const bytes = Buffer.from(`${line}\n`);
      const isFull =
        options.rotateAfterBytes > 0 && sizeBytes > 0 && sizeBytes + bytes.length > options.rotateAfterBytes;
      try {
        if (file !== undefined && (isFull || nowMs() - startedMs >= options.rotateAfterMs)) {
          const full = file;
          file = undefined;
          closeSync(full);
        }
        if (file === undefined) {
          file = open();
          removeOld();
        }
        sizeBytes += writeSync(file, bytes);
      } catch {
        // A full disk must not end the agent; the line is on standard output too.
      }
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
