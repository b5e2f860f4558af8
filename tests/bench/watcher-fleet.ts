import { join } from "node:path";
import { mustFind } from "./process.ts";

/** Many blocking queries from a process of its own, each on its own connection (load/watcher-fleet.ts). */
export interface WatcherFleet {
  /** One request on each of `count` new connections, for one path after the other. */
  open(count: number, paths: readonly string[]): Promise<void>;
  /** When `count` of them have their whole answer; none may be other than 200. */
  untilAnswered(count: number): Promise<{ readonly lastAtMs: number }>;
  /** Closes the connections. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

export function startWatcherFleet(port: number): WatcherFleet {
  const script = join(import.meta.dir, "load", "watcher-fleet.ts");
  const bun = process.execPath;
  const child = Bun.spawn([mustFind("taskset"), "-c", "1", bun, script, `${port}`], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = linesOf(child.stdout);
  const order = async (what: object): Promise<Readonly<Record<string, unknown>>> => {
    child.stdin.write(`${JSON.stringify(what)}\n`);
    child.stdin.flush();
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the process of the watchers has ended");
    return JSON.parse(value);
  };
  return {
    async open(count, paths) {
      await order({ open: count, paths });
    },
    async untilAnswered(count) {
      const { lastAtMs, statuses } = await order({ await: count });
      if (JSON.stringify(statuses) !== `{"200":${count}}`) throw new Error(`answers: ${JSON.stringify(statuses)}`);
      return { lastAtMs: Number(lastAtMs) };
    },
    async reset() {
      await order({ reset: true });
    },
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    const parts = text.split("\n");
    text = parts.pop() ?? "";
    yield* parts;
  }
}
