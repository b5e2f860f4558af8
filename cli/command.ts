import type { Runtime } from "../lib/base/runtime.ts";

/**
 * One sub-command of the executable. Its file exports one constant of this type and is listed in `commands.ts`, which
 * loads it only when it is asked for.
 */
export interface CliCommand {
  /** What `--help` prints, ending with a line end; `formatUsage` of flags.ts makes it from the flags. */
  readonly usage: string;
  /** For a group of commands: the usage of the one that `args` name. */
  usageOf?(args: readonly string[]): string;
  /**
   * Resolves with the exit code when everything the command started has ended. Throwing an `AtollError` prints its
   * message and exits 1; anything else thrown is a defect and is printed with its stack. `--help` never gets here.
   */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}

/** All that a command gets from its process, so that a test can run one without a process. */
export interface CommandIo {
  /** Writes text or bytes as they are: the caller adds line ends. */
  readonly stdout: (text: string | Uint8Array) => void;
  readonly stderr: (text: string) => void;
  /** All of standard input, for the commands that are told to read it. */
  stdin(): Promise<Uint8Array>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Clock, random and a logger for programs; its lines go to stdout, as Consul's agent does. */
  createRuntime(options: RuntimeOptions): Runtime;
  /**
   * Aborted by the first SIGINT or SIGTERM after this call; a second SIGINT ends the process at once with 130. A program
   * that runs until it is told to stop waits for it, then stops.
   */
  shutdownSignal(): AbortSignal;
  /** Calls `listener` on every SIGHUP until closed. Without a listener SIGHUP ends the process. */
  onHangup(listener: () => void): { close(): void };
  /** The same for SIGUSR2. */
  onReplaceSignal(listener: () => void): { close(): void };
}

export interface RuntimeOptions {
  /** First word of every log line's component, as in `agent`. */
  readonly component: string;
  /** One of `logLevels`; in capitals too, as Consul's users write them. */
  readonly logLevel: string;
  readonly isLogJson: boolean;
}
