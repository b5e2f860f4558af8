import { type ChildProcess, spawn } from "node:child_process";

export interface ProcessRun {
  readonly command: readonly string[];
  /** All that the program gets to see of an environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The program and all that it has started are killed when it is aborted. */
  readonly signal: AbortSignal;
  /** Of the output, the last bytes that are kept. */
  readonly keptBytes: number;
}

/** How a program ended. */
export type ProcessEnd =
  | { readonly kind: "exited"; readonly code: number; readonly output: ProcessOutput }
  /** Ended by a signal that was not ours. */
  | { readonly kind: "killed"; readonly by: string; readonly output: ProcessOutput }
  | { readonly kind: "aborted" }
  | { readonly kind: "not-started"; readonly error: Error };

export interface ProcessOutput {
  /** Standard output and error in the order of arrival. */
  readonly text: string;
  /** Of all that was written. */
  readonly totalBytes: number;
}

/**
 * Runs one program to its end in a process group of its own, without standard input. Never rejects. What it leaves running in the
 * background ends with it when it takes too long; one that ended in time may leave something behind, as in Consul.
 */
export function runProcess(run: ProcessRun): Promise<ProcessEnd> {
  const [program = "", ...args] = run.command;
  return new Promise((resolve) => {
    let child: ChildProcess;
    try {
      child = spawn(program, args, { env: { ...run.env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    } catch (thrown) {
      resolve({ kind: "not-started", error: thrown instanceof Error ? thrown : new Error(String(thrown)) });
      return;
    }
    const output = new TailBuffer(run.keptBytes);
    const finish = (end: ProcessEnd): void => {
      run.signal.removeEventListener("abort", onAbort);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve(end);
    };
    const onAbort = (): void => {
      killGroup(child);
      finish({ kind: "aborted" });
    };
    child.stdout?.on("data", (chunk: Buffer) => output.add(chunk));
    child.stderr?.on("data", (chunk: Buffer) => output.add(chunk));
    child.once("error", (error) => finish({ kind: "not-started", error }));
    child.once("close", (code, signal) =>
      finish(
        code === null
          ? { kind: "killed", by: signal ?? "a signal", output: output.value() }
          : { kind: "exited", code, output: output.value() },
      ),
    );
    run.signal.addEventListener("abort", onAbort, { once: true });
    if (run.signal.aborted) onAbort();
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended meanwhile, or where there are no groups, it is all there is.
    child.kill("SIGKILL");
  }
}

/** The last bytes of a stream: however much is written, no more than twice of them are held. */
class TailBuffer {
  readonly #keptBytes: number;
  #chunks: Buffer[] = [];
  #heldBytes = 0;
  #totalBytes = 0;

  constructor(keptBytes: number) {
    this.#keptBytes = keptBytes;
  }

  add(chunk: Buffer): void {
    this.#totalBytes += chunk.length;
    this.#heldBytes += chunk.length;
    this.#chunks.push(chunk);
    if (this.#heldBytes < 2 * this.#keptBytes) return;
    const tail = this.#tail();
    this.#chunks = [Buffer.from(tail)];
    this.#heldBytes = tail.length;
  }

  value(): ProcessOutput {
    return { text: this.#tail().toString("utf8"), totalBytes: this.#totalBytes };
  }

  #tail(): Buffer {
    const all = Buffer.concat(this.#chunks);
    return all.subarray(Math.max(0, all.length - this.#keptBytes));
  }
}
