import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { type Subprocess, which } from "bun";

/** The proxy under test has one core to itself; load and backend share the other. */
export const proxyCore = 0;
export const loadCore = 1;
/** Kernel clock ticks per second of /proc/PID/stat (USER_HZ, fixed on Linux). */
const ticksPerSecond = 100;

/** Throws with what to install when a program that a bench needs is missing. */
export function mustFind(program: string): string {
  const path = which(program, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });
  if (path === null) throw new Error(`this bench needs ${program}: install it with the system's package manager`);
  return path;
}

/** The first line that a program prints about its version. */
export async function versionOf(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "pipe" });
  const text = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  await child.exited;
  return text.trim().split("\n")[0] ?? "";
}

export interface Pinned {
  readonly name: string;
  readonly process: Subprocess;
  /** User and system time of the process and its children so far, in seconds. */
  cpuSeconds(): number;
  /** Resident memory of the process and its children, in MB. */
  residentMb(): number;
  stop(): Promise<void>;
}

export interface PinnedOptions {
  readonly name: string;
  readonly command: readonly string[];
  /** One core, or several as `0,1`. */
  readonly core: number | string;
  /** Resolves the start when this port of 127.0.0.1 accepts connections. */
  readonly readyPort: number;
  readonly cwd: string;
}

/** Starts a program on one core and waits until it serves. */
export async function startPinned(options: PinnedOptions): Promise<Pinned> {
  const child = Bun.spawn([mustFind("taskset"), "-c", `${options.core}`, ...options.command], {
    cwd: options.cwd,
    stdout: Bun.file(`${options.cwd}/${options.name}.log`),
    stderr: Bun.file(`${options.cwd}/${options.name}.err`),
  });
  const pinned: Pinned = {
    name: options.name,
    process: child,
    cpuSeconds: () => sum(family(child.pid).map(cpuSecondsOf)),
    residentMb: () => sum(family(child.pid).map(residentMbOf)),
    async stop() {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), 8_000);
      await child.exited;
      clearTimeout(killer);
    },
  };
  await waitForPort(options.readyPort, child);
  return pinned;
}

async function waitForPort(port: number, child: Subprocess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null)
      throw new Error(`a program exited with ${child.exitCode} before port ${port} was open`);
    if (await canConnect(port)) return;
    await Bun.sleep(50);
  }
  throw new Error(`port ${port} did not open within 10 s`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

function family(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return [pid, ...(children === "" ? [] : children.split(" ").flatMap((child) => family(Number(child))))];
  } catch {
    return [pid];
  }
}

export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function residentMbOf(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? 0) / 1024;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}

/** Prints one figure: one JSON line. */
export function report(figure: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(figure));
}

export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
