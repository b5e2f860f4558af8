import { loadCore, mustFind } from "./process.ts";

export interface WrkOptions {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** The load core unless said otherwise. */
  readonly core?: number | string;
  readonly path?: string;
  /** A Lua file that makes the requests, and what its `init` is given. */
  readonly script?: string;
  readonly scriptArgs?: readonly string[];
}

export interface Load {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of one core: near 1 the load generator itself was the limit. */
  readonly loadCpuShare: number;
}

export interface TriedLoad extends Load {
  /** Answers that were no success, and errors of connections. */
  readonly failures: number;
  /** What wrk says about them; empty when there are none. */
  readonly problem: string;
}

/** Closed-loop HTTP/1.1 load from a process of its own on the load core. Throws when any answer was not a success. */
export async function runWrk(options: WrkOptions): Promise<Load> {
  const { failures, problem, ...load } = await tryWrk(options);
  if (failures > 0) throw new Error(`the load on port ${options.port} saw errors: ${problem}`);
  return load;
}

/** The same, with failures counted. Throws when there was no answer at all. */
export async function tryWrk(options: WrkOptions): Promise<TriedLoad> {
  const { port, connections, seconds, core = loadCore } = options;
  const script = options.script === undefined ? [] : ["-s", options.script];
  const child = Bun.spawn(
    [
      ...[mustFind("taskset"), "-c", `${core}`, mustFind("wrk"), "-t1", `-c${connections}`, `-d${seconds}s`],
      ...["--latency", "--timeout", "10s", ...script],
      `http://127.0.0.1:${port}${options.path ?? "/"}`,
      ...(options.scriptArgs === undefined ? [] : ["--", ...options.scriptArgs]),
    ],
    { stdout: "pipe", stderr: "pipe" },
  );
  const text = await new Response(child.stdout).text();
  const complaint = await new Response(child.stderr).text();
  await child.exited;
  const problem = (text.match(/Socket errors.*|Non-2xx.*/g) ?? []).join("; ");
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  if (!(requests > 0)) throw new Error(`wrk made no requests on port ${port}: ${text}${complaint}`);
  const cpuSeconds = Number(child.resourceUsage()?.cpuTime.total ?? 0n) / 1e6;
  return {
    failures: failureCount(problem),
    problem,
    requests,
    requestsPerSecond: requests / seconds,
    p50Ms: milliseconds(/^\s+50%\s+(\S+)/m.exec(text)?.[1]),
    p99Ms: milliseconds(/^\s+99%\s+(\S+)/m.exec(text)?.[1]),
    loadCpuShare: cpuSeconds / seconds,
  };
}

/** "Socket errors: connect 0, read 3, write 0, timeout 1" and "Non-2xx or 3xx responses: 5", of which the last number counts. */
function failureCount(problem: string): number {
  const counts = problem.matchAll(/(?:connect|read|write|timeout|responses:) (\d+)/g);
  return Array.from(counts, ([, count]) => Number(count)).reduce((total, count) => total + count, 0);
}

function milliseconds(text: string | undefined): number {
  const match = /^([\d.]+)(us|ms|s)$/.exec(text ?? "");
  const factor = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? ""] ?? Number.NaN;
  return Number(match?.[1]) * factor;
}
