import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Backoff, createBackoff } from "../lib/base/backoff.ts";
import type { Timer } from "../lib/base/clock.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { Runtime } from "../lib/base/runtime.ts";
import { endProcess, type StopOptions } from "./proxies/end-process.ts";
import { readPidFile, removePidFile, writePidFile } from "./proxies/pid-file.ts";
import { proxyArguments } from "./proxies/proxy-command.ts";
import type { ProxyConnection } from "./proxies/proxy-connection.ts";
import { createProxyLog } from "./proxies/proxy-log.ts";
import { adoptProxy, isProxy, type ProxyProcess, spawnProxy } from "./proxies/proxy-process.ts";

/**
 * Keeps one `atoll proxy` process running for one sidecar. The process outlives the agent: its id is left in `proxy.pid`,
 * and the next agent takes it over when it is alive and says hello, instead of starting a second one.
 */
export interface ProxySupervisor {
  /** Takes over the proxy that is there already, or starts one. Returns at once; failures are retried. */
  start(): void;
  /** A proxy with our id said hello. A stranger has been told to stop. */
  onHello(connection: ProxyConnection): ProxyRole;
  /**
   * Starts a second process from the program as it is now, which shares the addresses of the first and takes over once `promote` says
   * that it serves. Nothing is lost when that never happens.
   */
  replace(onFailed: () => void): void;
  /** The successor serves: it is the one that is kept from now on, the one before drains and ends. */
  promote(stop: StopOptions): void;
  /** The successor cannot serve: it is ended, and `onFailed` of `replace` called. */
  dismiss(reason: string): void;
  /** The process that is kept running at the moment. */
  pid(): number | undefined;
  /** Ends the process: asks it to drain, then SIGTERM, then SIGKILL. Resolves when it is gone. */
  stop(options: StopOptions): Promise<void>;
  /** Stops supervising and leaves the process to the next agent. */
  release(): Promise<void>;
}

/** What a process that says hello is to its supervisor. */
export type ProxyRole = "kept" | "successor" | "stranger";

export interface SupervisorOptions {
  readonly runtime: Runtime;
  readonly proxyId: string;
  /** The proxy's own directory, made when it is not there. */
  readonly directory: string;
  readonly socketPath: string;
  /** The program and the arguments before `proxy`. */
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exitWithAgent: boolean;
  readonly timing?: Partial<SupervisorTiming>;
}

export interface SupervisorTiming {
  readonly minRestartDelayMs: number;
  readonly maxRestartDelayMs: number;
  /** A process that ran this long has recovered: the next restart is quick again. */
  readonly stableAfterMs: number;
  /** How long a process that an earlier agent started may take to say hello. */
  readonly adoptTimeoutMs: number;
  /** How long a successor may take until it serves. */
  readonly takeoverTimeoutMs: number;
  /** From the end of the drain to SIGTERM, and from SIGTERM to SIGKILL. */
  readonly stopGraceMs: number;
}

const defaultTiming: SupervisorTiming = {
  minRestartDelayMs: 250,
  maxRestartDelayMs: 30_000,
  stableAfterMs: 15_000,
  adoptTimeoutMs: 8_000,
  takeoverTimeoutMs: 30_000,
  stopGraceMs: 2_000,
};

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly process: ProxyProcess; readonly adopting: Timer | undefined }
  | { readonly kind: "waiting"; readonly timer: Timer }
  | { readonly kind: "stopped" };

/** A second process on its way to take over. */
interface Successor {
  readonly onFailed: () => void;
  process: ProxyProcess | undefined;
  timer: Timer | undefined;
}

export function createProxySupervisor(options: SupervisorOptions): ProxySupervisor {
  return new Supervisor(options);
}

class Supervisor implements ProxySupervisor {
  readonly #options: SupervisorOptions;
  readonly #timing: SupervisorTiming;
  readonly #backoff: Backoff;
  readonly #log;
  readonly #logger;
  #state: State = { kind: "idle" };
  /** The newest launch; a stop waits for it, so that no process appears after it. */
  #launching: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#timing = { ...defaultTiming, ...options.timing };
    this.#backoff = createBackoff({
      minDelayMs: this.#timing.minRestartDelayMs,
      maxDelayMs: this.#timing.maxRestartDelayMs,
      random: options.runtime.random,
    });
    this.#logger = options.runtime.logger.child("supervisor");
    this.#log = createProxyLog({ runtime: options.runtime, path: join(options.directory, "proxy.log") });
  }

  start(): void {
    this.#launching = this.#adoptOrSpawn();
  }

  pid(): number | undefined {
    return this.#state.kind === "running" ? this.#state.process.pid : undefined;
  }

  onHello(connection: ProxyConnection): ProxyRole {
    const state = this.#state;
    if (this.#successor?.process?.pid === connection.pid) return "successor";
    if (state.kind === "running" && state.process.pid === connection.pid) {
      if (state.adopting === undefined) return "kept";
      state.adopting.cancel();
      this.#state = { ...state, adopting: undefined };
      this.#logger.info("adopted the running proxy", { proxy: connection.proxyId, pid: connection.pid });
      return "kept";
    }
    if (state.kind === "waiting" || state.kind === "idle") {
      // Alive and ours, whatever proxy.pid says: the socket is open to our own user only.
      if (state.kind === "waiting") state.timer.cancel();
      this.#logger.info("adopted a running proxy", { proxy: connection.proxyId, pid: connection.pid });
      this.#watch(this.#adopt(connection.pid), undefined);
      void this.#rememberPid(connection.pid);
      return "kept";
    }
    this.#logger.warn("telling a proxy to stop that this agent does not keep", {
      proxy: connection.proxyId,
      pid: connection.pid,
      keptPid: this.pid(),
    });
    connection.send({ type: "stop", drainMs: 1 });
    return "stranger";
  }

  replace(onFailed: () => void): void {
    const state = this.#state;
    if (state.kind !== "running" || state.adopting !== undefined || this.#successor !== undefined) return;
    const successor: Successor = { onFailed, process: undefined, timer: undefined };
    this.#successor = successor;
    this.#launching = this.#launching.then(() => this.#spawnSuccessor(successor, state.process.pid));
  }

  promote(stop: StopOptions): void {
    const state = this.#state;
    const successor = this.#successor;
    if (state.kind !== "running" || successor?.process === undefined) return;
    successor.timer?.cancel();
    this.#successor = undefined;
    this.#logger.info("a new process has taken over", {
      proxy: this.#options.proxyId,
      pid: successor.process.pid,
      from: state.process.pid,
    });
    this.#watch(successor.process, undefined);
    void this.#rememberPid(successor.process.pid);
    const predecessor = state.process;
    this.#predecessors.add(predecessor);
    void this.#end(predecessor, stop).then(() => {
      predecessor.release();
      this.#predecessors.delete(predecessor);
    });
  }

  dismiss(reason: string): void {
    const successor = this.#successor;
    if (successor === undefined) return;
    this.#successor = undefined;
    successor.timer?.cancel();
    this.#logger.error("no new process has taken over, the one before goes on", {
      proxy: this.#options.proxyId,
      reason,
    });
    void successor.process?.kill("SIGKILL");
    if (this.#state.kind !== "stopped") successor.onFailed();
  }

  async stop(stop: StopOptions): Promise<void> {
    const state = this.#finish();
    await this.#launching;
    for (const predecessor of this.#predecessors) await predecessor.kill("SIGKILL");
    const process = state.kind === "running" ? state.process : this.#lateProcess;
    if (process !== undefined) {
      await this.#end(process, stop);
      process.release();
    }
    await removePidFile(this.#pidPath);
  }

  async release(): Promise<void> {
    const state = this.#finish();
    await this.#launching;
    if (state.kind === "running") state.process.release();
    this.#lateProcess?.release();
  }

  #successor: Successor | undefined;
  /** They have been told to end and take their time. */
  readonly #predecessors = new Set<ProxyProcess>();
  /** A process that came up while `stop` was already waiting. */
  #lateProcess: ProxyProcess | undefined;

  get #pidPath(): string {
    return join(this.#options.directory, "proxy.pid");
  }

  #finish(): State {
    const state = this.#state;
    if (state.kind === "waiting") state.timer.cancel();
    if (state.kind === "running") state.adopting?.cancel();
    this.#state = { kind: "stopped" };
    this.dismiss("the agent stops");
    this.#log.close();
    return state;
  }

  async #adoptOrSpawn(): Promise<void> {
    const { proxyId, socketPath, runtime } = this.#options;
    const pid = await readPidFile(this.#pidPath);
    const isAlive = pid !== undefined && (await isProxy({ pid, proxyId, socketPath }));
    if (this.#state.kind !== "idle") return;
    if (isAlive) {
      const process = this.#adopt(pid);
      const timer = runtime.clock.after(this.#timing.adoptTimeoutMs, () => void this.#replaceMute(process));
      this.#watch(process, timer);
      return;
    }
    await this.#spawn();
  }

  #adopt(pid: number): ProxyProcess {
    const { proxyId, socketPath, runtime } = this.#options;
    return adoptProxy({ clock: runtime.clock, pid, proxyId, socketPath });
  }

  /** A process that an earlier agent started but that does not talk to us is of no use: it is replaced. */
  async #replaceMute(process: ProxyProcess): Promise<void> {
    const { proxyId } = this.#options;
    this.#logger.warn("the running proxy does not say hello, replacing it", { proxy: proxyId, pid: process.pid });
    // Its end is seen by #watch, which starts the next one. If it cannot be told from a stranger it is left alone.
    if (!(await process.kill("SIGKILL")) && this.#state.kind === "running" && this.#state.process === process) {
      process.release();
      this.#restartLater("could not be identified");
    }
  }

  async #spawn(): Promise<void> {
    if (this.#state.kind !== "idle") return;
    try {
      await this.#launch([], (process) => this.#keepOrEnd(process));
    } catch (thrown) {
      this.#restartLater(errorMessage(thrown));
    }
  }

  async #spawnSuccessor(successor: Successor, predecessorPid: number): Promise<void> {
    if (this.#successor !== successor) return;
    try {
      await this.#launch(["--replace", `${predecessorPid}`], async (process) => {
        if (this.#successor !== successor) {
          await process.kill("SIGKILL");
          return;
        }
        successor.process = process;
        successor.timer = this.#options.runtime.clock.after(this.#timing.takeoverTimeoutMs, () =>
          this.dismiss("it took too long"),
        );
        void process.exited.then((how) => {
          if (this.#successor === successor) this.dismiss(how);
        });
      });
    } catch (thrown) {
      if (this.#successor === successor) this.dismiss(errorMessage(thrown));
    }
  }

  /** `onStarted` is called before the process can say hello. */
  async #launch(flags: readonly string[], onStarted: (process: ProxyProcess) => Promise<void>): Promise<void> {
    const options = this.#options;
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const output = await this.#log.open();
    try {
      const process = await spawnProxy({
        clock: options.runtime.clock,
        command: [...options.program, ...proxyArguments(options), ...flags],
        env: options.env,
        directory: options.directory,
        outputFd: output.fd,
      });
      this.#logger.info("started the proxy", { proxy: options.proxyId, pid: process.pid });
      await onStarted(process);
    } finally {
      await output.close();
    }
  }

  /** Without an await before the first look at the state: the new process must be known before it can say hello. */
  async #keepOrEnd(process: ProxyProcess): Promise<void> {
    if (this.#state.kind === "running") {
      // An unknown live proxy said hello while this one was being started.
      await process.kill("SIGKILL");
      return;
    }
    this.#watch(process, undefined);
    await this.#rememberPid(process.pid);
  }

  async #rememberPid(pid: number): Promise<void> {
    try {
      await writePidFile(this.#pidPath, pid);
    } catch (thrown) {
      this.#logger.warn("cannot write proxy.pid: a restarted agent will not find this proxy", {
        proxy: this.#options.proxyId,
        error: errorMessage(thrown),
      });
    }
  }

  #watch(process: ProxyProcess, adopting: Timer | undefined): void {
    if (this.#state.kind === "stopped") {
      this.#lateProcess = process;
      return;
    }
    this.#state = { kind: "running", process, adopting };
    void process.exited.then((how) => {
      if (this.#state.kind !== "running" || this.#state.process !== process) return;
      this.#state.adopting?.cancel();
      if (this.#maybeSucceed(how)) return;
      const ranMs = this.#options.runtime.clock.monotonicMs() - process.startedAtMs;
      if (ranMs >= this.#timing.stableAfterMs) this.#backoff.reset();
      this.#restartLater(how);
    });
  }

  /** Who was about to take over does so at once when the one before is gone. */
  #maybeSucceed(how: string): boolean {
    const process = this.#successor?.process;
    if (process === undefined) return false;
    this.#logger.warn("the proxy ended before its successor was ready", { proxy: this.#options.proxyId, reason: how });
    this.#successor?.timer?.cancel();
    this.#successor = undefined;
    this.#watch(process, undefined);
    void this.#rememberPid(process.pid);
    return true;
  }

  #restartLater(reason: string): void {
    if (this.#state.kind === "stopped") return;
    const delayMs = Math.round(this.#backoff.nextDelayMs());
    this.#logger.warn("the proxy ended, starting it again", { proxy: this.#options.proxyId, reason, delayMs });
    const timer = this.#options.runtime.clock.after(delayMs, () => {
      if (this.#state.kind !== "waiting") return;
      this.#state = { kind: "idle" };
      this.#launching = this.#spawn();
    });
    this.#state = { kind: "waiting", timer };
  }

  async #end(process: ProxyProcess, stop: StopOptions): Promise<void> {
    const timing = { clock: this.#options.runtime.clock, graceMs: this.#timing.stopGraceMs };
    if (await endProcess(process, stop, timing)) return;
    this.#logger.error("the proxy survives SIGKILL", { proxy: this.#options.proxyId, pid: process.pid });
  }
}
