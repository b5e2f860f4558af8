import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { systemErrorCode } from "../../lib/base/errors.ts";

/** Processes of this machine by their id, also those that an earlier agent started. */
export interface Processes {
  /**
   * The arguments of a running process; undefined when it does not run (a zombie does not) and empty when it runs but its
   * arguments cannot be read.
   */
  commandLine(pid: number): Promise<readonly string[] | undefined>;
  /** Sends a signal; false when there is no such process. */
  kill(pid: number, signal: "SIGTERM" | "SIGKILL"): boolean;
}

export const systemProcesses: Processes = {
  async commandLine(pid) {
    if (!exists(pid)) return undefined;
    try {
      const text = await readFile(`/proc/${pid}/cmdline`, "utf8");
      return text === "" ? undefined : text.split("\0").slice(0, -1);
    } catch (thrown) {
      if (systemErrorCode(thrown) !== "ENOENT") return exists(pid) ? [] : undefined;
      return exists(pid) ? await commandLineFromPs(pid) : undefined;
    }
  },
  kill(pid, signal) {
    try {
      return process.kill(pid, signal);
    } catch (thrown) {
      if (systemErrorCode(thrown) === "ESRCH") return false;
      throw thrown;
    }
  },
};

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return systemErrorCode(thrown) === "EPERM";
  }
}

/** Systems without /proc. Arguments come back split at spaces, which is enough to compare names that have none. */
function commandLineFromPs(pid: number): Promise<readonly string[] | undefined> {
  return new Promise((resolve) => {
    execFile("ps", ["-o", "args=", "-p", String(pid)], { timeout: 2_000 }, (error, stdout) => {
      const text = stdout.trim();
      if (error !== null) resolve(exists(pid) ? [] : undefined);
      else resolve(text === "" ? undefined : text.split(/\s+/));
    });
  });
}
