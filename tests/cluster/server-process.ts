import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";

/** One server of a test cluster over all its processes: its name, addresses and directory outlive them. */
export class ServerProcess {
  readonly name: string;
  /** Where the other servers are told to dial it. */
  readonly advertised: string;
  readonly bound = "127.0.0.1";
  readonly rpcPort: number;
  readonly httpPort: number;
  readonly dataDir: string;
  readonly #args: readonly string[];
  #process: AgentProcess | undefined;
  #isPaused = false;
  /** Of all its processes. */
  #output = "";

  constructor(options: {
    readonly name: string;
    readonly advertised: string;
    readonly rpcPort: number;
    readonly httpPort: number;
    readonly dataDir: string;
    readonly args: readonly string[];
  }) {
    this.name = options.name;
    this.advertised = options.advertised;
    this.rpcPort = options.rpcPort;
    this.httpPort = options.httpPort;
    this.dataDir = options.dataDir;
    this.#args = [
      "-server",
      `-node=${options.name}`,
      `-data-dir=${options.dataDir}`,
      `-bind=${this.bound}`,
      `-advertise=${options.advertised}`,
      `-rpc-port=${options.rpcPort}`,
      ...options.args,
    ];
  }

  get address(): string {
    return `${this.advertised}:${this.rpcPort}`;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** Running and not stopped in its tracks. */
  get isAlive(): boolean {
    return this.isRunning && !this.#isPaused;
  }

  get output(): string {
    return this.#output + (this.#process?.output() ?? "");
  }

  /** Resolves when its HTTP API answers; rejects with everything it printed when it ends instead. */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error(`${this.name} runs already`);
    mkdirSync(this.dataDir, { recursive: true, mode: 0o700 });
    this.#process = await startAgentProcess({ args: this.#args, httpPort: this.httpPort });
    this.#isPaused = false;
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    if (this.#isPaused) this.resume();
    this.#process = undefined;
    await process.end(signal);
    this.#output += process.output();
  }

  pause(): void {
    if (this.#process === undefined) return;
    process.kill(this.#process.pid, "SIGSTOP");
    this.#isPaused = true;
  }

  resume(): void {
    if (this.#process === undefined) return;
    process.kill(this.#process.pid, "SIGCONT");
    this.#isPaused = false;
  }

  /** Whether the process is gone although nobody ended it; it counts as not running from then on. */
  hasEndedByItself(): boolean {
    if (this.#process === undefined) return false;
    try {
      process.kill(this.#process.pid, 0);
      return false;
    } catch {
      this.#output += this.#process.output();
      this.#process = undefined;
      return true;
    }
  }

  /** Everything that it stored is gone, as after the loss of a machine. */
  wipe(): void {
    if (this.isRunning) throw new Error(`${this.name} still runs`);
    // Its contents: the directory itself may be a disk of its own.
    for (const name of readdirSync(this.dataDir)) rmSync(join(this.dataDir, name), { recursive: true, force: true });
  }

  async api(method: "GET" | "PUT" | "DELETE", path: string, body?: unknown): Promise<unknown> {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`);
    return await this.#process.api(method, path, body);
  }
}
