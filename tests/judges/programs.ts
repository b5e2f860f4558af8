import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { which } from "bun";

/** Programs that we did not write and that judge ours: where they are, and how they are run. */
const judges = join(import.meta.dir, "..", "..", "node_modules", ".judges");
const goBuildTimeoutMs = 240_000;

/** A program, or why tests that need it have to skip; `note` goes behind the name of their group. */
export interface Program {
  readonly path: string;
  readonly isMissing: boolean;
  readonly note: string;
}

export function findProgram(...names: readonly string[]): Program {
  const path = ["", ...names.map((name) => join(judges, name))].find((file) => file !== "" && existsSync(file));
  const folders = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  const found = path ?? names.map((name) => which(name, { PATH: folders })).find((file) => file !== null);
  return found === undefined ? missing(`no ${names.join(" or ")} on this machine`) : present(found);
}

const built = new Map<string, Promise<Program>>();

/** The Go program of `tests/judges/go`, built when its sources or Go's cache ask for it. Never throws. */
export function goJudge(): Promise<Program> {
  return builtOnce("go", "go-judge");
}

/** The same of `tests/judges/consul-go`, with HashiCorp's own client. */
export function goClient(): Promise<Program> {
  return builtOnce("consul-go", "consul-go");
}

function builtOnce(folder: string, name: string): Promise<Program> {
  const program = built.get(name) ?? buildGo(folder, name);
  built.set(name, program);
  return program;
}

async function buildGo(folder: string, name: string): Promise<Program> {
  const go = findProgram("go");
  if (go.isMissing) return go;
  mkdirSync(judges, { recursive: true });
  // Built beside and moved, since test files run in parallel and each of them may be building.
  const file = join(judges, name);
  const temporary = `${file}.${process.pid}`;
  const { code, stderr } = await runProgram([go.path, "build", "-o", temporary, "."], {
    cwd: join(import.meta.dir, folder),
    timeoutMs: goBuildTimeoutMs,
  });
  if (code !== 0) return missing(`go build failed: ${stderr.trim().split("\n").at(-1) ?? ""}`);
  renameSync(temporary, file);
  return present(file);
}

function present(path: string): Program {
  return { path, isMissing: false, note: "" };
}

function missing(reason: string): Program {
  return { path: "", isMissing: true, note: ` (skipped: ${reason})` };
}

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: Buffer;
  readonly timeoutMs?: number;
}

/** Runs a program to its end; past its time it is killed and the code is not 0. */
export async function runProgram(command: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
  const child = Bun.spawn([...command], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: options.input ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeoutMs ?? 30_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: (await child.exited) || (child.signalCode === null ? 0 : 1), stdout, stderr };
}

/** A program that serves until it is stopped. */
export interface Server {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a server that prints `{"port":N}` as its first line. */
export async function startServer(command: readonly string[]): Promise<Server> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  let text = "";
  for await (const chunk of child.stdout) {
    text += Buffer.from(chunk).toString();
    const port = /"port":(\d+)/.exec(text)?.[1];
    if (port !== undefined) return { port: Number(port), stop };
  }
  throw new Error(`${command.join(" ")} ended with ${await child.exited} before it said its port`);
}
