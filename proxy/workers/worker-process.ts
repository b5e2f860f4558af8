import { type ChildProcess, spawn } from "node:child_process";
import { type FromWorker, isFromWorker, type ToWorker } from "./messages.ts";

/** How another process of this program is started. */
export interface ProxyProgram {
  /** The program and the arguments before `proxy`. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** One running worker. */
export interface WorkerProcess {
  readonly pid: number;
  send(message: ToWorker): void;
  kill(): void;
}

export interface WorkerEvents {
  readonly onMessage: (message: FromWorker) => void;
  /** Called once, also when it could not be started. */
  readonly onExit: (how: string) => void;
}

/** Starts a worker; its log lines go where ours go, and it ends when this process does. */
export function startWorkerProcess(
  program: ProxyProgram,
  flags: readonly string[],
  events: WorkerEvents,
): WorkerProcess {
  const [command = "", ...before] = program.command;
  const child: ChildProcess = spawn(command, [...before, "proxy", "-worker", ...flags], {
    env: { ...program.env },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let hasExited = false;
  const exit = (how: string): void => {
    if (hasExited) return;
    hasExited = true;
    events.onExit(how);
  };
  child.on("message", (message) => {
    if (isFromWorker(message)) events.onMessage(message);
  });
  child.once("error", (error) => exit(error.message));
  child.once("exit", (code, signal) => exit(signal === null ? `exit code ${code}` : `signal ${signal}`));
  return {
    pid: child.pid ?? 0,
    send: (message) => {
      // A worker that is going has closed its end.
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
