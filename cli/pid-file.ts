import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/** Writes this process's number to `path` and gives back what removes it, unless another process wrote its own meanwhile. */
export function writePidFile(path: string): { remove(): void } {
  const text = `${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o644 });
  } catch (cause) {
    throw new AtollError("CONFIG_INVALID", `pid_file ${path} cannot be written: ${errorMessage(cause)}`, { cause });
  }
  return {
    remove() {
      try {
        if (readFileSync(path, "utf8") === text) rmSync(path);
      } catch {
        // Somebody else removed it.
      }
    },
  };
}
