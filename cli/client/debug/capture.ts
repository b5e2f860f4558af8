import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { errorMessage } from "../../../lib/base/errors.ts";
import type { HttpApi } from "../../http-api.ts";

/** What is asked of an agent, into the files that Consul's `debug` writes. */
export const captureTargets = ["agent", "host", "logs", "members", "metrics"] as const;
export type CaptureTarget = (typeof captureTargets)[number];

export interface CaptureOptions {
  readonly api: HttpApi;
  /** Is there and empty. */
  readonly directory: string;
  readonly targets: ReadonlySet<CaptureTarget>;
  readonly durationMs: number;
  readonly intervalMs: number;
  /** Ends it early, with what is there by then. */
  readonly signal: AbortSignal;
  /** Told before each reading of what changes. */
  readonly onInterval: (count: number) => void;
  /** Told of what could not be had; the rest is captured all the same. */
  readonly onMissing: (target: CaptureTarget, reason: string) => void;
}

const fixed = { agent: "/v1/agent/self", host: "/v1/agent/host", members: "/v1/agent/members" } as const;
const fixedTargets = ["agent", "host", "members"] as const;
/** The log of a busy agent at its most talkative; what comes later is left out. */
export const maxLogBytes = 64 * 1024 * 1024;

export async function capture(options: CaptureOptions): Promise<void> {
  const { targets, onMissing } = options;
  const attempt = async (target: CaptureTarget, take: () => Promise<void>): Promise<void> => {
    if (targets.has(target)) await take().catch((thrown: unknown) => onMissing(target, errorMessage(thrown)));
  };
  await Promise.all(fixedTargets.map((target) => attempt(target, () => captureOnce(options, target))));
  await Promise.all([attempt("metrics", () => captureMetrics(options)), attempt("logs", () => captureLogs(options))]);
}

async function captureOnce({ api, directory, signal }: CaptureOptions, target: keyof typeof fixed): Promise<void> {
  const answer = await api.call({ method: "GET", path: fixed[target], query: { pretty: "" }, signal });
  await write(join(directory, `${target}.json`), answer);
}

/** One document after the other, the last at the end of the time. */
async function captureMetrics(options: CaptureOptions): Promise<void> {
  const { api, directory, durationMs, intervalMs, signal, onInterval } = options;
  const startedMs = performance.now();
  for (let count = 0; !signal.aborted && count * intervalMs <= durationMs; count++) {
    const untilMs = startedMs + count * intervalMs - performance.now();
    await pause(Math.max(0, untilMs), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    onInterval(count);
    const answer = await api.call({ method: "GET", path: "/v1/agent/metrics", query: { pretty: "" } });
    await appendFile(join(directory, "metrics.json"), answer, { mode: fileMode });
  }
}

async function captureLogs({ api, directory, durationMs, signal }: CaptureOptions): Promise<void> {
  const file = createWriteStream(join(directory, "consul.log"), { mode: fileMode });
  const full = new AbortController();
  const over = AbortSignal.any([signal, full.signal, AbortSignal.timeout(durationMs)]);
  // A disk that is full ends it too; `finished` then says why.
  file.on("error", () => full.abort());
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > maxLogBytes) full.abort();
    else file.write(chunk);
  };
  try {
    await once(file, "open");
    await api.follow({ method: "GET", path: "/v1/agent/monitor", query: { loglevel: "TRACE" } }, onData, over);
  } finally {
    file.end();
    await finished(file);
  }
}

/** Configurations, addresses and logs are for whoever asked for them. */
const fileMode = 0o600;

async function write(path: string, content: Uint8Array): Promise<void> {
  await writeFile(path, content, { mode: fileMode });
}
