import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../fakes/eventually.ts";

const repository = join(import.meta.dir, "..", "..", "..");

/** An `atoll proxy -config` through all its configurations and the processes that follow one another. */
export class ProxyProcess {
  readonly #directory: string;
  readonly #admin: number;
  readonly #log: string;
  readonly #children: ReturnType<typeof Bun.spawn>[] = [];
  #pid = 0;

  constructor(directory: string, admin: number) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.#admin = admin;
    this.#log = join(directory, "proxy.log");
  }

  /** Of the process that serves now. */
  get pid(): number {
    return this.#pid;
  }

  async start(document: object): Promise<void> {
    this.#write(document);
    writeFileSync(this.#log, "");
    const child = Bun.spawn([join(repository, "bin", "atoll"), "proxy", `-config=${this.#config}`], {
      stdout: Bun.file(this.#log),
      stderr: Bun.file(join(this.#directory, "proxy.err")),
    });
    this.#children.push(child);
    this.#pid = child.pid;
    await eventually("the proxy to serve", () => this.#configInForce());
  }

  /** Resolves when the proxy serves by the new document. */
  async apply(document: object): Promise<void> {
    const before = await this.#configInForce();
    const logged = this.#text().length;
    this.#write(document);
    process.kill(this.#pid, "SIGHUP");
    await eventually("the new configuration", async () => {
      const refusal = /configuration refused.*/.exec(this.#text().slice(logged))?.[0];
      if (refusal !== undefined) throw new Error(refusal);
      return (await this.#configInForce())?.version !== before?.version;
    });
  }

  /** Starts a successor from the executable; resolves when the process before has drained and is gone. */
  async replace(): Promise<void> {
    const before = this.#pid;
    process.kill(before, "SIGUSR2");
    const started = /started a new process to take over: pid=(\d+)/g;
    const pid = await eventually("a successor", () => {
      const last = Number([...this.#text().matchAll(started)].at(-1)?.[1] ?? 0);
      return last !== 0 && last !== before && last;
    });
    await eventually("the predecessor to end", () => !isAlive(before), 20_000);
    this.#pid = pid;
  }

  async stop(): Promise<void> {
    if (isAlive(this.#pid)) process.kill(this.#pid, "SIGKILL");
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(this.#children.map((child) => child.exited));
  }

  metrics(): Promise<string> {
    return fetch(`http://127.0.0.1:${this.#admin}/metrics`, { keepalive: false }).then((answer) => answer.text());
  }

  get #config(): string {
    return join(this.#directory, "proxy.json");
  }

  #write(document: object): void {
    const next = `${this.#config}.next`;
    writeFileSync(next, JSON.stringify(document));
    renameSync(next, this.#config);
  }

  #text(): string {
    return ["proxy.log", "proxy.err"].map((name) => readFileSync(join(this.#directory, name), "utf8")).join("");
  }

  async #configInForce(): Promise<{ readonly version: number } | undefined> {
    try {
      return JSON.parse(await (await fetch(`http://127.0.0.1:${this.#admin}/config`, { keepalive: false })).text());
    } catch {
      return undefined;
    }
  }
}

/** A zombie, which waits for whoever started it, has ended. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
