import { type ChildProcess, spawn } from "node:child_process";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Clock, Timer } from "../../lib/base/clock.ts";
import { type Processes, systemProcesses } from "./processes.ts";
import { proxyIdOf } from "./proxy-command.ts";

/** One running proxy process, whether this agent started it or an earlier one did. */
export interface ProxyProcess {
  readonly pid: number;
  readonly startedAtMs: number;
  /** Resolves with a description of how it ended. */
  readonly exited: Promise<string>;
  /** Sends a signal, but never to a process that took over the id: false when the proxy is gone. */
  kill(signal: "SIGTERM" | "SIGKILL"): Promise<boolean>;
  /** Stops watching; the process goes on. */
  release(): void;
}

export interface SpawnOptions {
  readonly clock: Clock;
  /** Program and all arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  readonly outputFd: number;
}

/**
 * Starts a process in a session of its own, so that neither the terminal's Ctrl-C nor the end of the agent reaches it.
 * Rejects when it cannot be started.
 */
export function spawnProxy(options: SpawnOptions): Promise<ProxyProcess> {
  const [program = "", ...args] = options.command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.directory,
      detached: true,
      env: { ...options.env },
      stdio: ["ignore", options.outputFd, options.outputFd],
    });
    child.once("error", (error) => reject(new Error(`cannot start "${program}": ${errorMessage(error)}`)));
    child.once("spawn", () => {
      child.unref();
      resolve(ownChild(child, options.clock));
    });
  });
}

function ownChild(child: ChildProcess, clock: Clock): ProxyProcess {
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  return {
    pid: child.pid ?? 0,
    startedAtMs: clock.monotonicMs(),
    exited,
    // A child that has not been waited for keeps its id, so the signal cannot reach a stranger.
    kill: async (signal) => child.exitCode === null && child.signalCode === null && child.kill(signal),
    release: () => undefined,
  };
}

export interface AdoptOptions {
  readonly clock: Clock;
  readonly processes?: Processes;
  readonly pid: number;
  readonly proxyId: string;
  readonly socketPath: string;
  readonly pollIntervalMs?: number;
}

const defaultPollIntervalMs = 500;

/**
 * Watches a proxy that is not our child: nobody tells us when it ends, so we look. Its arguments are compared each time,
 * since its id may be given to another process later.
 */
export function adoptProxy(options: AdoptOptions): ProxyProcess {
  const { clock, pid, processes = systemProcesses, pollIntervalMs = defaultPollIntervalMs } = options;
  const ended = Promise.withResolvers<string>();
  let timer: Timer | undefined;
  let isReleased = false;
  const poll = async (): Promise<void> => {
    if (await isProxy(options)) {
      if (!isReleased) timer = clock.after(pollIntervalMs, () => void poll());
    } else {
      ended.resolve("ended");
    }
  };
  void poll();
  return {
    pid,
    startedAtMs: clock.monotonicMs(),
    exited: ended.promise,
    kill: async (signal) => (await isCertainlyProxy(options)) && processes.kill(pid, signal),
    release() {
      isReleased = true;
      timer?.cancel();
    },
  };
}

type ProxyQuery = Pick<AdoptOptions, "pid" | "proxyId" | "socketPath" | "processes">;

/** Whether `pid` runs and, as far as its arguments can be read, is this proxy. */
export async function isProxy(query: ProxyQuery): Promise<boolean> {
  const commandLine = await (query.processes ?? systemProcesses).commandLine(query.pid);
  if (commandLine === undefined) return false;
  return commandLine.length === 0 || proxyIdOf(commandLine, query.socketPath) === query.proxyId;
}

async function isCertainlyProxy(query: ProxyQuery): Promise<boolean> {
  const commandLine = await (query.processes ?? systemProcesses).commandLine(query.pid);
  return commandLine !== undefined && proxyIdOf(commandLine, query.socketPath) === query.proxyId;
}
