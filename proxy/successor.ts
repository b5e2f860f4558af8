import { spawn } from "node:child_process";
import type { Runtime } from "../lib/base/runtime.ts";
import type { ProxyProgram } from "./workers/worker-process.ts";

export interface SuccessorOptions {
  readonly runtime: Runtime;
  readonly program: ProxyProgram;
  /** Everything after the program. */
  readonly args: readonly string[];
}

/**
 * Starts the process that takes over from this one, from whatever executable stands at the program's path now. It listens beside us
 * and then tells us to end; when it cannot, we go on.
 */
export function createSuccessor({ runtime, program, args }: SuccessorOptions): { start(): void } {
  const { logger } = runtime;
  let isStarting = false;
  return {
    start() {
      if (isStarting) return;
      isStarting = true;
      const [command = "", ...before] = program.command;
      const fail = (reason: string): void => {
        isStarting = false;
        logger.error("the new process did not take over, this one goes on", { reason });
      };
      const child = spawn(command, [...before, ...args], { env: { ...program.env }, stdio: "inherit" });
      child.once("error", (error) => fail(error.message));
      child.once("exit", (code, signal) => fail(signal === null ? `exit code ${code}` : `signal ${signal}`));
      child.once("spawn", () => logger.info("started a new process to take over", { pid: child.pid }));
      child.unref();
    },
  };
}
