import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The processes of one demo. They are in groups of their own, so that Ctrl-C reaches the demo only. */
export interface DemoProcesses {
  start(name: string, command: readonly string[]): DemoProcess;
  /** Aborted, with a reason that quotes its log, as soon as a process ends that nobody wanted to end. */
  readonly failure: AbortSignal;
  /** Ends everything, the proxies of the agents too. Resolves with false when something is left. */
  endAll(): Promise<boolean>;
}

export interface DemoProcess {
  readonly pid: number;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
}

const logTailLines = 15;

export function createProcesses(folder: string): DemoProcesses {
  const logs = join(folder, "logs");
  mkdirSync(logs, { recursive: true });
  const failure = new AbortController();
  let isEnding = false;
  const guard = spawn(process.execPath, [join(import.meta.dir, "guard.ts"), folder], {
    stdio: ["pipe", "inherit", "inherit"],
    detached: true,
  });
  const guardExit = exitOf(guard);
  return {
    failure: failure.signal,
    start(name, command) {
      const logPath = join(logs, `${name}.log`);
      const log = openSync(logPath, "a");
      const [program = "", ...args] = command;
      const child = spawn(program, args, { cwd: folder, stdio: ["ignore", log, log], detached: true });
      closeSync(log);
      let isExpected = false;
      const exit = exitOf(child);
      void exit.then((how) => {
        if (isExpected || isEnding) return;
        failure.abort(new Error(`${name} ended by itself (${how}). The end of its log:\n${tail(logPath)}`));
      });
      return {
        pid: child.pid ?? 0,
        async kill() {
          isExpected = true;
          child.kill("SIGKILL");
          await exit;
        },
      };
    },
    async endAll() {
      isEnding = true;
      guard.stdin?.end();
      return (await guardExit) === "exit code 0";
    },
  };
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
  });
}

function tail(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-logTailLines).join("\n");
}
