import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCore, mustFind } from "./process.ts";
import type { Load } from "./wrk.ts";

export interface H2loadOptions {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  /** Requests at once on each connection. */
  readonly streams: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  /** A file that every request has as its body, and further header lines. */
  readonly bodyFile?: string;
  readonly headers?: readonly string[];
}

/** Closed-loop HTTP/2 load from a process of its own on the load core. Throws when any answer was not a success. */
export async function runH2load(options: H2loadOptions): Promise<Load> {
  const { seconds, warmUpSeconds = 0 } = options;
  const directory = mkdtempSync(join(tmpdir(), "atoll-h2load-"));
  const log = join(directory, "requests.tsv");
  try {
    const child = Bun.spawn(
      [
        ...[mustFind("taskset"), "-c", `${loadCore}`, mustFind("h2load"), "-t1", `-c${options.connections}`],
        ...[`-m${options.streams}`, "-D", `${seconds}`, `--warm-up-time=${warmUpSeconds}`, `--log-file=${log}`],
        ...(options.headers ?? []).flatMap((header) => ["-H", header]),
        ...(options.bodyFile === undefined ? [] : ["-d", options.bodyFile]),
        `http://127.0.0.1:${options.port}${options.path}`,
      ],
      { stdout: "pipe", stderr: "pipe" },
    );
    const text = await new Response(child.stdout).text();
    await child.exited;
    const cpuSeconds = Number(child.resourceUsage()?.cpuTime.total ?? 0n) / 1e6;
    const rate = Number(/finished in .*, ([\d.]+) req\/s/.exec(text)?.[1]);
    const [failed, errored, timedOut] = /(\d+) failed, (\d+) errored, (\d+) timeout/.exec(text)?.slice(1) ?? [];
    if (!(rate > 0) || failed !== "0" || errored !== "0" || timedOut !== "0")
      throw new Error(`h2load saw errors on port ${options.port}: ${text}`);
    const times = readTimes(log);
    return {
      requests: Math.round(rate * seconds),
      requestsPerSecond: rate,
      p50Ms: times[Math.floor(times.length * 0.5)] ?? Number.NaN,
      p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
      loadCpuShare: cpuSeconds / (seconds + warmUpSeconds),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Lines of start, HTTP status and microseconds. */
function readTimes(log: string): number[] {
  const lines = readFileSync(log, "utf8").trim().split("\n");
  return lines.map((line) => Number(line.split("\t")[2]) / 1_000).sort((a, b) => a - b);
}

/** A gRPC message as it stands in a body: not compressed, its length, its bytes. */
export function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export const grpcHeaders = ["content-type: application/grpc", "te: trailers"] as const;
