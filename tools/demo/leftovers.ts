import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

const defaultGraceMs = 6_000;
const killMs = 4_000;
const pollMs = 50;

/**
 * Ends every process that has `folder` in its command line, other than this one: SIGTERM first, SIGKILL to what is left
 * after the grace. Proxies outlive their agents on purpose, so asking the agents alone would not be enough. Returns those
 * that could not be ended.
 */
export async function endProcessesOf(folder: string, graceMs = defaultGraceMs): Promise<number[]> {
  const startedMs = performance.now();
  const asked = new Set<number>();
  for (;;) {
    const left = processesOf(folder);
    const elapsedMs = performance.now() - startedMs;
    if (left.length === 0 || elapsedMs > graceMs + killMs) return left;
    for (const pid of left) {
      if (elapsedMs > graceMs) signal(pid, "SIGKILL");
      else if (!asked.has(pid)) signal(pid, "SIGTERM");
      asked.add(pid);
    }
    await Bun.sleep(pollMs);
  }
}

function processesOf(folder: string): number[] {
  return listProcesses()
    .filter(({ pid, commandLine }) => pid !== process.pid && commandLine.includes(folder))
    .map(({ pid }) => pid);
}

function listProcesses(): { readonly pid: number; readonly commandLine: string }[] {
  if (!existsSync("/proc/self/cmdline")) {
    const lines = execFileSync("ps", ["-axww", "-o", "pid=,args="], { encoding: "utf8" }).split("\n");
    return lines.map((line) => ({ pid: Number.parseInt(line, 10), commandLine: line }));
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), commandLine: readCommandLine(name) }));
}

/** Empty for a process that has ended, a zombie included. */
function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself in the meantime.
  }
}
