import { spawn } from "node:child_process";
import { AtollError } from "../../lib/contract/error-codes.ts";

/** A program that a command runs for its user, with the command's own output. */
export interface ChildRun {
  readonly args: readonly string[];
  /** One argument alone is a line for the shell. */
  readonly isShell: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For its standard input; absent for none. */
  readonly input?: string;
  /** It reads the command's own standard input. */
  readonly isStdinPassed?: true;
  /** Ends it with SIGTERM, and what does not end by itself with SIGKILL. */
  readonly signal: AbortSignal;
}

const killAfterMs = 5_000;

/** Resolves with its exit code, 128 and more when a signal ended it; rejects with `INVALID_ARGUMENT` when it cannot be started. */
export function runChild(run: ChildRun): Promise<number> {
  const [program = "", ...rest] = run.args;
  const isLine = run.isShell && rest.length === 0;
  const child = spawn(isLine ? "/bin/sh" : program, isLine ? ["-c", program] : rest, {
    env: { ...run.env },
    stdio: [stdinOf(run), "inherit", "inherit"],
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(run.input ?? "");
  let killer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill("SIGTERM");
    killer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  };
  if (run.signal.aborted) stop();
  else run.signal.addEventListener("abort", stop, { once: true });
  return new Promise<number>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new AtollError("INVALID_ARGUMENT", `cannot run ${program}: ${cause.message}`, { cause })),
    );
    child.once("close", (code) => resolve(code ?? 143));
  }).finally(() => {
    clearTimeout(killer);
    run.signal.removeEventListener("abort", stop);
  });
}

function stdinOf({ input, isStdinPassed }: ChildRun): "inherit" | "ignore" | "pipe" {
  if (isStdinPassed === true) return "inherit";
  return input === undefined ? "ignore" : "pipe";
}
