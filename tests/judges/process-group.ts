import { eventually } from "../fakes/eventually.ts";

const termTimeoutMs = 3_000;
const killTimeoutMs = 5_000;

/** A program with everything that it starts; many browsers are a shell script that stays and starts the real one. */
export interface ProcessGroup {
  /** The exit code of the first process. */
  readonly exited: Promise<number>;
  /** Asks all of it to end, then makes it; resolves when no process is left. */
  end(): Promise<void>;
}

/** Starts a program as the head of a process group of its own, whose output nobody reads. */
export function startProcessGroup(command: readonly string[]): ProcessGroup {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: true });
  // Until the group is gone its number is given to no other process.
  const signal = (name: "SIGTERM" | "SIGKILL" | 0): boolean => {
    try {
      return process.kill(-child.pid, name);
    } catch {
      return false;
    }
  };
  const isGone = (): boolean => !signal(0) || !hasLiving(child.pid);
  return {
    exited: child.exited,
    async end() {
      signal("SIGTERM");
      await eventually("the processes to end", isGone, termTimeoutMs).catch(() => signal("SIGKILL"));
      await eventually("the killed processes to end", isGone, killTimeoutMs);
      await child.exited;
    },
  };
}

/** Whether a process of the group runs: one that has ended stays in it until its parent, at last process 1, has taken note. */
function hasLiving(group: number): boolean {
  const lines = Bun.spawnSync(["ps", "-eo", "pgid=,stat="]).stdout.toString().split("\n");
  return lines.some((line) => {
    const [pgid, state = "Z"] = line.trim().split(/\s+/);
    return Number(pgid) === group && !state.startsWith("Z");
  });
}
