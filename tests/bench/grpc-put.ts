import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCore, mustFind } from "./process.ts";
import type { Load } from "./wrk.ts";

/** `etcdserverpb.KV/Put` from h2load: one stream at a time on each connection, one key, 200 bytes. */
export async function h2loadPut(options: {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}): Promise<Load> {
  const directory = mkdtempSync(join(tmpdir(), "atoll-h2load-"));
  const body = join(directory, "put.bin");
  const log = join(directory, "requests.tsv");
  writeFileSync(body, grpcFrame(putRequest("node-000001", "v".repeat(200))));
  const grpc = ["-H", "content-type: application/grpc", "-H", "te: trailers", "-d", body];
  const child = Bun.spawn(
    [
      ...[mustFind("taskset"), "-c", `${loadCore}`, mustFind("h2load"), "-t1", `-c${options.connections}`, "-m1"],
      ...["-D", `${options.seconds}`, `--warm-up-time=${options.warmUpSeconds}`, `--log-file=${log}`, ...grpc],
      `http://127.0.0.1:${options.port}/etcdserverpb.KV/Put`,
    ],
    { stdout: "pipe", stderr: "pipe" },
  );
  const text = await new Response(child.stdout).text();
  await child.exited;
  const cpuSeconds = Number(child.resourceUsage()?.cpuTime.total ?? 0n) / 1e6;
  const rate = Number(/finished in .*, ([\d.]+) req\/s/.exec(text)?.[1]);
  const failed = Number(/(\d+) failed/.exec(text)?.[1]);
  if (!(rate > 0) || failed > 0) throw new Error(`h2load saw errors: ${text}`);
  const times = readTimes(log);
  rmSync(directory, { recursive: true });
  return {
    requests: Math.round(rate * options.seconds),
    requestsPerSecond: rate,
    p50Ms: times[Math.floor(times.length * 0.5)] ?? Number.NaN,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
    loadCpuShare: cpuSeconds / (options.seconds + options.warmUpSeconds),
  };
}

/** Lines of start, HTTP status and microseconds. */
function readTimes(log: string): number[] {
  const lines = readFileSync(log, "utf8").trim().split("\n");
  return lines.map((line) => Number(line.split("\t")[2]) / 1_000).sort((a, b) => a - b);
}

function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** PutRequest { bytes key = 1; bytes value = 2; } */
function putRequest(key: string, value: string): Buffer {
  return Buffer.concat([bytesField(1, key), bytesField(2, value)]);
}

function bytesField(number: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}
