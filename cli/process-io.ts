import { basename } from "node:path";
import { systemClock } from "../lib/base/clock.ts";
import { createLogger, type LogLevel, logLevels, parseLogLevel } from "../lib/base/logger.ts";
import { systemRandom } from "../lib/base/random.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { type CommandIo, type ProgramName, type RuntimeOptions, StopRequest } from "./command.ts";

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
    program: programName(),
    createRuntime: (options) => ({
      clock: systemClock,
      random: systemRandom,
      logger: createLogger({
        component: options.component,
        level: levelOf(options.logLevel),
        format: options.isLogJson ? "json" : "text",
        nowMs: systemClock.nowMs,
        write(line) {
          process.stdout.write(`${line}\n`);
          options.alsoWrite?.(line);
        },
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

/** The launcher says what it was called; a built executable is called by its own name. */
function programName(): ProgramName {
  const name = process.env["ATOLL_INVOKED_AS"] ?? basename(process.argv0);
  return name.replace(/\.exe$/, "") === "consul" ? "consul" : "atoll";
}

function onSignal(name: "SIGHUP" | "SIGUSR2", listener: () => void): { close(): void } {
  process.on(name, listener);
  return { close: () => void process.off(name, listener) };
}

/** Only a person presses Ctrl-C twice; a supervisor may well send SIGTERM after the terminal's SIGINT. */
function abortOnStopSignals(): AbortSignal {
  const controller = new AbortController();
  process.on("SIGTERM", () => controller.abort(new StopRequest("SIGTERM")));
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    controller.abort(new StopRequest("SIGINT"));
  });
  return controller.signal;
}

function levelOf(given: RuntimeOptions["logLevel"]): LogLevel | (() => LogLevel) {
  if (typeof given === "string") return mustBeLogLevel(given);
  let text = given();
  let level = mustBeLogLevel(text);
  return () => {
    if (given() !== text) {
      text = given();
      level = mustBeLogLevel(text);
    }
    return level;
  };
}

function mustBeLogLevel(text: string): LogLevel {
  const level = parseLogLevel(text);
  if (level !== undefined) return level;
  throw new AtollError("CONFIG_INVALID", `log level must be one of ${logLevels.join(", ")}, found "${text}"`);
}
