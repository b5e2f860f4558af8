import { join } from "node:path";
import { eventually } from "../../fakes/eventually.ts";
import type { Got, Sent } from "./expectation.ts";
import type { Caller } from "./policy-model.ts";

/** A request of the load, with the numbers of the changes whose policies may have been in force for it. */
export interface Answered {
  readonly protocol: "HTTP/1.1" | "HTTP/2";
  readonly sent: Sent;
  readonly got: Got;
  readonly from: number;
  readonly to: number;
}

/** The clients of `clients.mjs`, running. */
export interface PolicyLoad {
  /** Change `number` may come into force once this has resolved. */
  begin(number: number): Promise<void>;
  /** Nothing before change `number` is in force when this is called. */
  end(number: number): Promise<void>;
  /** Resolves when over each protocol by each caller as many more requests have been answered. */
  passes(more: number): Promise<void>;
  /** Resolves when the last request is answered. */
  stop(): Promise<void>;
}

export interface PolicyLoadOptions {
  readonly ports: Readonly<Record<Caller, number>>;
  readonly seed: number;
  readonly host: string;
  /** Requests under way of each caller over each protocol. */
  readonly loops: number;
  readonly onAnswered: (answered: Answered) => void;
}

export const node = Bun.which("node");

export function startPolicyLoad({ onAnswered, ...options }: PolicyLoadOptions): PolicyLoad {
  if (node === null) throw new Error("this needs node on the PATH");
  const child = Bun.spawn([node, join(import.meta.dir, "clients.mjs"), JSON.stringify(options)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const counts = new Map<string, number>();
  const said = new Set<string>();
  const reading = readLines(child.stdout, (line) => {
    const message: Answered | { readonly said: string } = JSON.parse(line);
    if ("said" in message) {
      said.add(message.said);
      return;
    }
    const kind = `${message.sent.caller} ${message.protocol}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    onAnswered(message);
  });
  const say = async (line: string): Promise<void> => {
    child.stdin.write(`${line}\n`);
    await child.stdin.flush();
    await eventually(`the clients to know of ${line}`, () => said.delete(line));
  };
  const kinds = Object.keys(options.ports).flatMap((caller) => [`${caller} HTTP/1.1`, `${caller} HTTP/2`]);
  return {
    begin: (number) => say(`begin ${number}`),
    end: (number) => say(`end ${number}`),
    async passes(more) {
      const before = new Map(counts);
      const hasPassed = (kind: string): boolean => (counts.get(kind) ?? 0) - (before.get(kind) ?? 0) >= more;
      await eventually(`${more} more requests of each kind`, () => kinds.every(hasPassed), 60_000);
    },
    async stop() {
      await child.stdin.end();
      await reading;
      await child.exited;
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
}
