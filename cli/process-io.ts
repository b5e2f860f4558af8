import { systemClock } from "../lib/base/clock.ts";
import { createLogger, type LogLevel, logLevels } from "../lib/base/logger.ts";
import { systemRandom } from "../lib/base/random.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { CommandIo } from "./command.ts";

/** The exit code that shells give to a program ended by SIGINT. */
const interruptedExitCode = 130;

/** The real process as a {@link CommandIo}. */
export function createProcessIo(): CommandIo {
  let shutdown: AbortSignal | undefined;
  return {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    async stdin() {
      const chunks: Uint8Array[] = [];
      for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks);
    },
    env: process.env,
    createRuntime: (options) => ({
      clock: systemClock,
      random: systemRandom,
      logger: createLogger({
        component: options.component,
        level: readLogLevel(options.logLevel),
        format: options.isLogJson ? "json" : "text",
        nowMs: systemClock.nowMs,
        write: (line) => void process.stdout.write(`${line}\n`),
      }),
    }),
    shutdownSignal() {
      shutdown ??= abortOnStopSignals();
      return shutdown;
    },
    onHangup: (listener) => onSignal("SIGHUP", listener),
    onReplaceSignal: (listener) => onSignal("SIGUSR2", listener),
  };
}

function onSignal(name: "SIGHUP" | "SIGUSR2", listener: () => void): { close(): void } {
  process.on(name, listener);
  return { close: () => void process.off(name, listener) };
}

/** Only a person presses Ctrl-C twice; a supervisor may well send SIGTERM after the terminal's SIGINT. */
function abortOnStopSignals(): AbortSignal {
  const controller = new AbortController();
  process.on("SIGTERM", () => controller.abort());
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    controller.abort();
  });
  return controller.signal;
}

function readLogLevel(text: string): LogLevel {
  const lower = text.toLowerCase() === "err" ? "error" : text.toLowerCase();
  const level = logLevels.find((candidate) => candidate === lower);
  if (level === undefined) {
    throw new AtollError("CONFIG_INVALID", `log level must be one of ${logLevels.join(", ")}, found "${text}"`);
  }
  return level;
}
