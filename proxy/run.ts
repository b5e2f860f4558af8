import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import { ProxyConfigReader } from "../lib/contract/proxy-config-reader.ts";
import { AgentSource } from "./config-source/agent.ts";
import { FileWatch, readProxyConfigFile } from "./config-source/file.ts";
import { rejectionMessage } from "./proxy.ts";
import { createSuccessor } from "./successor.ts";
import { createWorld, type WorldOptions } from "./world.ts";

export interface RunProxyOptions extends WorldOptions {
  /** Calls back on every SIGHUP. */
  readonly onHangup: (listener: () => void) => { close(): void };
  /** Calls back on every SIGUSR2: a new process shall take over. */
  readonly onReplaceSignal: (listener: () => void) => { close(): void };
}

export interface FileRun {
  readonly path: string;
  /** The arguments with which this process was started, without those that name a predecessor. */
  readonly args: readonly string[];
  readonly pid: number;
  /** Tells a predecessor that we serve. */
  readonly endPredecessor: (pid: number) => void;
}

/** The door of this folder for `atoll proxy -config`: runs from a file, again after every change of it, until told to end. */
export async function runProxyFromFile(run: FileRun, options: RunProxyOptions): Promise<void> {
  const { logger } = options.runtime;
  const { path } = run;
  const successor = createSuccessor({ ...options, args: [...run.args, `-replace=${run.pid}`] });
  const world = createWorld(options, () => successor.start());
  const reader = new ProxyConfigReader();
  const first = readProxyConfigFile(path, reader);
  const proxy = world.start(first.config, 0, first.sources);
  logger.info("proxy started", { config: path, admin: `port ${proxy.adminPort}` });
  const watched = (config: ProxyConfig): string[] => [path, ...Object.values(config.identity)];
  let version = 0;
  const reload = (): void => {
    try {
      const { config, sources } = readProxyConfigFile(path, reader);
      proxy.apply(config, ++version, sources);
      watch.watch(watched(config));
      logger.info("configuration applied", { config: path, version });
    } catch (thrown) {
      logger.error(rejectionMessage(thrown));
    }
  };
  const watch = new FileWatch(options.runtime.clock, watched(proxy.config), reload);
  const hangup = options.onHangup(reload);
  const replaceSignal = options.onReplaceSignal(() => successor.start());
  const { replaces } = options;
  if (replaces !== undefined) {
    await proxy.ready();
    logger.info("taking over", { from: replaces });
    run.endPredecessor(replaces);
  }
  await world.finished;
  watch.stop();
  hangup.close();
  await world.end();
  replaceSignal.close();
}

export interface AgentRun {
  readonly socketPath: string;
  readonly proxyId: string;
  readonly pid: number;
  readonly revision: string;
  /** End when the agent goes away instead of serving on without it. */
  readonly exitsWithAgent: boolean;
}

/** A proxy that ends with its agent but never met one has nobody to tell it so. */
const orphanMs = 30_000;

/** The same, driven by an agent over its unix socket. The proxy starts with the first configuration. */
export async function runProxyFromAgent(agent: AgentRun, options: RunProxyOptions): Promise<void> {
  const { logger, clock } = options.runtime;
  const world = createWorld(options, () => source.askForReplacement());
  const source = new AgentSource({
    ...agent,
    runtime: options.runtime,
    version: () => world.proxy()?.version ?? 0,
    async apply(config, version, sources) {
      const running = world.proxy();
      if (running === undefined) await world.start(config, version, sources).ready();
      else running.apply(config, version, sources);
      logger.info("configuration applied", { version });
    },
    onStop: (drainMs) => world.finish(drainMs),
    onAgentLost: () => {
      if (agent.exitsWithAgent) world.finish(0);
    },
  });
  const replaceSignal = options.onReplaceSignal(() => source.askForReplacement());
  const orphan = agent.exitsWithAgent
    ? clock.after(orphanMs, () => {
        if (world.proxy() === undefined) world.finish(0);
      })
    : undefined;
  await world.finished;
  orphan?.cancel();
  source.stop();
  await world.end();
  replaceSignal.close();
}
