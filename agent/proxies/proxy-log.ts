import { copyFile, type FileHandle, open, stat, truncate } from "node:fs/promises";
import { errorMessage, systemErrorCode } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";

/**
 * The file that takes a proxy's output. The proxy writes to it by itself, so that it can outlive the agent; the agent
 * only keeps it from growing without bound, by copying it away and emptying it in place (every write appends).
 */
export interface ProxyLog {
  /** For the standard output of a process; the caller closes it. */
  open(): Promise<FileHandle>;
  close(): void;
}

export interface ProxyLogOptions {
  readonly runtime: Runtime;
  readonly path: string;
  readonly maxSizeBytes?: number;
  readonly checkIntervalMs?: number;
}

const defaultMaxSizeBytes = 10 * 1024 * 1024;
const defaultCheckIntervalMs = 30_000;

export function createProxyLog(options: ProxyLogOptions): ProxyLog {
  const { clock, logger } = options.runtime;
  const check = async (): Promise<void> => {
    try {
      await maybeRotate(options.path, options.maxSizeBytes ?? defaultMaxSizeBytes);
    } catch (thrown) {
      logger.warn("cannot bound a proxy's log", { path: options.path, error: errorMessage(thrown) });
    }
  };
  let isClosed = false;
  let timer = clock.after(options.checkIntervalMs ?? defaultCheckIntervalMs, onTimer);
  function onTimer(): void {
    void check().then(() => {
      if (!isClosed) timer = clock.after(options.checkIntervalMs ?? defaultCheckIntervalMs, onTimer);
    });
  }
  return {
    async open() {
      await check();
      return await open(options.path, "a", 0o600);
    },
    close() {
      isClosed = true;
      timer.cancel();
    },
  };
}

async function maybeRotate(path: string, maxSizeBytes: number): Promise<void> {
  try {
    if ((await stat(path)).size <= maxSizeBytes) return;
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return;
    throw thrown;
  }
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
}
