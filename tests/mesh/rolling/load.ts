import { join } from "node:path";
import { eventually } from "../../fakes/eventually.ts";

/** What one kind of client has sent so far. */
export interface Tally {
  readonly sent: number;
  readonly failed: number;
  readonly reasons: Readonly<Record<string, number>>;
}

export type Tallies = Readonly<Record<string, Tally>>;

const node = Bun.which("node");

/** The clients of `clients.mjs`, running. */
export interface Load {
  /** Resolves when every kind of client has been answered `more` times from now on, or has failed. */
  passes(more: number): Promise<void>;
  tallies(): Tallies;
  stop(): Promise<Tallies>;
}

export async function startLoad(ports: { readonly http: number; readonly tcp: number }): Promise<Load> {
  if (node === null) throw new Error("this needs node on the PATH");
  const child = Bun.spawn([node, join(import.meta.dir, "clients.mjs"), `${ports.http}`, `${ports.tcp}`], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  let latest: Tallies = {};
  const reading = readLines(child.stdout, (line) => {
    latest = JSON.parse(line);
  });
  const load: Load = {
    tallies: () => latest,
    async passes(more) {
      const before = latest;
      const sentBefore = (kind: string): number => before[kind]?.sent ?? 0;
      await eventually(`${more} more calls of each kind`, () => {
        const kinds = Object.entries(latest);
        return kinds.length > 0 && kinds.every(([kind, { sent }]) => sent - sentBefore(kind) >= more);
      });
    },
    async stop() {
      await child.stdin.end();
      await reading;
      await child.exited;
      return latest;
    },
  };
  await load.passes(1);
  return load;
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

/** What came on top of `before`, added up over all kinds of clients. */
export function difference(before: Tallies, after: Tallies): { sent: number; failed: number; reasons: string[] } {
  let sent = 0;
  let failed = 0;
  const reasons: string[] = [];
  for (const [kind, now] of Object.entries(after)) {
    const then = before[kind];
    sent += now.sent - (then?.sent ?? 0);
    failed += now.failed - (then?.failed ?? 0);
    for (const [reason, count] of Object.entries(now.reasons)) {
      const more = count - (then?.reasons[reason] ?? 0);
      if (more > 0) reasons.push(`${kind}: ${more} x ${reason}`);
    }
  }
  return { sent, failed, reasons };
}
