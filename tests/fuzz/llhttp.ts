import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Kind, Message } from "./http1-reading.ts";

/** How llhttp read one case. */
export interface LlhttpReading {
  readonly messages: readonly Message[];
  /** Its error code, or empty. */
  readonly error: string;
  /** Bytes left to a tunnel, or -1. */
  readonly rest: number;
}

export interface LlhttpCase {
  readonly kind: Kind;
  readonly bytes: Buffer;
}

const kinds: Readonly<Record<Kind, number>> = { request: 0, response: 1, "response to HEAD": 2 };
const peer = fileURLToPath(new URL("./llhttp-peer.mjs", import.meta.url));

/** Asks a Node.js process of its own how its parser reads the cases. */
export function readByLlhttp(cases: readonly LlhttpCase[]): readonly LlhttpReading[] {
  if (cases.length === 0) return [];
  const parts = cases.flatMap(({ kind, bytes }) => {
    const prefix = Buffer.alloc(5);
    prefix[0] = kinds[kind];
    prefix.writeUInt32BE(bytes.length, 1);
    return [prefix, bytes];
  });
  // Every refusal is an error object: a trace of each would be a sixth of the work.
  const run = spawnSync("node", ["--stack-trace-limit=0", peer], { input: Buffer.concat(parts), maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(`node: ${run.error?.message ?? run.stderr.toString("utf8")}`);
  const lines = run.stdout.toString("utf8").split("\n");
  if (lines.length !== cases.length) throw new Error(`node answered ${lines.length} of ${cases.length} cases`);
  return lines.map((line): LlhttpReading => JSON.parse(line));
}
