import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { createWorkspace } from "../pairs.ts";
import { cpuSecondsOf, loadCore, median, mustFind, proxyCore, report, rounded } from "../process.ts";

const rounds = Number(process.env["ATOLL_BENCH_ROUNDS"] ?? 3);
const seconds = 2;
const framings = ["http2", "own"] as const;
const shapes = [
  ...[1, 16, 64, 256, 1_000].map((concurrency) => ({ path: "/small", concurrency })),
  ...[1, 16, 64, 256, 1_000].map((concurrency) => ({ path: "/big", concurrency })),
];

interface Figures {
  readonly requestsPerSecond: number;
  /** Of both ends together. */
  readonly cpuUs: number;
}

/**
 * One mTLS connection between two processes, each on a core of its own, that carries many requests at once: HTTP/2 beside the
 * framing of `own-frames.ts`, which is as lean as it gets and trusts its peer. Answers have 100 bytes or 1 MB.
 */
export async function benchFraming(): Promise<void> {
  const { directory } = createWorkspace();
  const samples = new Map<string, Figures[]>();
  try {
    for (let round = 0; round < rounds; round++) {
      for (const shape of shapes) {
        for (const framing of framings) {
          const key = `${framing} ${shape.path} ${shape.concurrency}`;
          samples.set(key, [...(samples.get(key) ?? []), await measure({ directory, framing, ...shape })]);
        }
      }
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  for (const { path, concurrency } of shapes) {
    const of = (framing: string, pick: (figures: Figures) => number): number =>
      median((samples.get(`${framing} ${path} ${concurrency}`) ?? []).map(pick));
    for (const framing of framings) {
      report({
        bench: "framing",
        framing,
        answer_bytes: path === "/small" ? 100 : 1024 * 1024,
        concurrency,
        rounds,
        requests_per_second: rounded(
          of(framing, (f) => f.requestsPerSecond),
          0,
        ),
        cpu_us_per_request: rounded(
          of(framing, (f) => f.cpuUs),
          1,
        ),
        cpu_ratio_to_own: rounded(of(framing, (f) => f.cpuUs) / of("own", (f) => f.cpuUs)),
      });
    }
  }
}

async function measure(options: {
  readonly directory: string;
  readonly framing: string;
  readonly path: string;
  readonly concurrency: number;
}): Promise<Figures> {
  const { directory, framing, path, concurrency } = options;
  const server = start(proxyCore, ["server", framing, directory]);
  try {
    const port = await nextLine(server);
    const client = start(loadCore, ["client", framing, directory, port, path, `${concurrency}`, `${seconds}`]);
    await nextLine(client);
    const before = cpuSecondsOf(server.pid);
    const { requests, ms, cpuUs } = JSON.parse(await nextLine(client));
    const serverUs = (cpuSecondsOf(server.pid) - before) * 1e6;
    await client.exited;
    return { requestsPerSecond: (requests * 1_000) / ms, cpuUs: (cpuUs + serverUs) / requests };
  } finally {
    server.kill();
    await server.exited;
  }
}

type Reading = Subprocess<"ignore", "pipe", "inherit"> & { lines?: AsyncIterator<string> };

function start(core: number, args: readonly string[]): Reading {
  const program = join(import.meta.dir, "hop-process.ts");
  return Bun.spawn([mustFind("taskset"), "-c", `${core}`, process.execPath, program, ...args], {
    stdout: "pipe",
    stderr: "inherit",
    stdin: "ignore",
  });
}

async function nextLine(child: Reading): Promise<string> {
  child.lines ??= linesOf(child.stdout);
  const { value, done } = await child.lines.next();
  if (done === true) throw new Error(`a process of the hop ended with ${await child.exited}`);
  return value;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const part of stream) {
    text += Buffer.from(part).toString();
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
      yield text.slice(0, at);
      text = text.slice(at + 1);
    }
  }
}
