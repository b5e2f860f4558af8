import { mustBuildGoJudge } from "../go-judge.ts";
import type { Workspace } from "../pairs.ts";

/** What `judge storm` has done so far. */
export interface StormTally {
  readonly orders: number;
  readonly connections: number;
  readonly failed: number;
  readonly resumed: number;
  readonly kinds: Readonly<Record<string, number>>;
  /** The longest that one took from connecting to closing, and its kind. */
  readonly slowest_ms: number;
  readonly slowest_kind: string;
  /** The first thing that went wrong, empty when nothing has. */
  readonly problem: string;
}

/** So long may the storm stand still before the run is given up. */
const stuckAfterMs = 60_000;

/** Opens and closes mTLS connections of all kinds, as many at a time as it is told. */
export class Storm {
  #tally: StormTally = {
    orders: 0,
    connections: 0,
    failed: 0,
    resumed: 0,
    kinds: {},
    slowest_ms: 0,
    slowest_kind: "",
    problem: "",
  };
  #ordered = 0;
  #onTally: () => void = () => undefined;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #ended: Promise<void>;

  static async start(target: string, workspace: Workspace): Promise<Storm> {
    const { certFile, keyFile, caFile } = workspace.files;
    const mesh = ["-target", target, "-name", "web", "-cert", certFile, "-key", keyFile, "-ca", caFile];
    // One core at most, as the load of the requests: what is left is the proxies'.
    const env = { ...process.env, GOMAXPROCS: "1" };
    return new Storm([await mustBuildGoJudge(), "storm", ...mesh], env);
  }

  private constructor(command: string[], env: Record<string, string | undefined>) {
    this.#child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit", env });
    this.#ended = this.#read();
  }

  get tally(): StormTally {
    return this.#tally;
  }

  /** `count` more connections, spread over `seconds`; resolves when they are done. Throws when it gets stuck. */
  async open(count: number, seconds: number): Promise<void> {
    const number = ++this.#ordered;
    this.#child.stdin.write(`${count} ${seconds}\n`);
    await this.#child.stdin.flush();
    let seen = this.#tally.connections;
    let movedMs = performance.now();
    while (this.#tally.orders < number) {
      await this.#nextTally();
      if (this.#tally.connections !== seen) movedMs = performance.now();
      seen = this.#tally.connections;
      if (performance.now() - movedMs > stuckAfterMs) throw new Error(`no connection ended for ${stuckAfterMs} ms`);
      if (this.#child.exitCode !== null) throw new Error(`judge storm ended with ${this.#child.exitCode}`);
    }
  }

  async stop(): Promise<void> {
    await this.#child.stdin.end();
    await this.#ended;
    await this.#child.exited;
  }

  #nextTally(): Promise<void> {
    return new Promise((resolve) => {
      this.#onTally = resolve;
    });
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const chunk of this.#child.stdout) {
      text += Buffer.from(chunk).toString();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        this.#tally = JSON.parse(line);
        this.#onTally();
      }
    }
    await this.#child.exited;
    this.#onTally();
  }
}
