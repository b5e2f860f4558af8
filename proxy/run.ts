import type { Runtime } from "../lib/base/runtime.ts";
import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import { AgentSource } from "./config-source/agent.ts";
import { FileWatch, readProxyConfigFile } from "./config-source/file.ts";
import { defaultDrainMs, MeshProxy, rejectionMessage } from "./proxy.ts";
import { createBunTransport } from "./transport/bun.ts";
import { loadIdentity } from "./transport/identity.ts";

export interface RunProxyOptions {
  readonly runtime: Runtime;
  /** Aborted when the process is told to end: the proxy drains and the run resolves. */
  readonly shutdown: AbortSignal;
  /** Calls back on every SIGHUP. */
  readonly onHangup: (listener: () => void) => { close(): void };
  readonly residentBytes: () => number;
}

/** Time for connections under way after SIGTERM; a second signal ends the process at once. */
const shutdownDrainMs = 5_000;

/** The door of this folder for `atoll proxy --config`: runs from a file, again after every change of it, until told to end. */
export async function runProxyFromFile(path: string, options: RunProxyOptions): Promise<void> {
  const { logger } = options.runtime;
  const world = createWorld(options);
  const proxy = world.start(readProxyConfigFile(path));
  logger.info("proxy started", { config: path, admin: `port ${proxy.adminPort}` });
  const watched = (config: ProxyConfig): string[] => [path, ...Object.values(config.identity)];
  let version = 0;
  const reload = (): void => {
    try {
      const config = readProxyConfigFile(path);
      proxy.apply(config, ++version);
      watch.watch(watched(config));
      logger.info("configuration applied", { config: path, version });
    } catch (thrown) {
      logger.error(rejectionMessage(thrown));
    }
  };
  const watch = new FileWatch(options.runtime.clock, watched(readProxyConfigFile(path)), reload);
  const hangup = options.onHangup(reload);
  await world.finished;
  watch.stop();
  hangup.close();
  await world.end();
}

export interface AgentRun {
  readonly socketPath: string;
  readonly proxyId: string;
  readonly pid: number;
  /** End when the agent goes away instead of serving on without it. */
  readonly exitsWithAgent: boolean;
}

/** The same, driven by an agent over its unix socket. The proxy starts with the first configuration. */
export async function runProxyFromAgent(agent: AgentRun, options: RunProxyOptions): Promise<void> {
  const { logger } = options.runtime;
  const world = createWorld(options);
  const source = new AgentSource({
    runtime: options.runtime,
    socketPath: agent.socketPath,
    proxyId: agent.proxyId,
    pid: agent.pid,
    version: () => world.proxy()?.version ?? 0,
    apply(config, version) {
      const proxy = world.proxy() ?? world.start(config);
      proxy.apply(config, version);
      logger.info("configuration applied", { version });
    },
    onStop: (drainMs) => world.finish(drainMs),
    onAgentLost: () => {
      if (agent.exitsWithAgent) world.finish(0);
    },
  });
  // A proxy that ends with its agent but never met one has nobody to tell it so.
  const orphan = agent.exitsWithAgent
    ? options.runtime.clock.after(defaultDrainMs, () => {
        if (world.proxy() === undefined) world.finish(0);
      })
    : undefined;
  await world.finished;
  orphan?.cancel();
  source.stop();
  await world.end();
}

interface World {
  /** Throws when the configuration cannot be used. */
  start(config: ProxyConfig): MeshProxy;
  proxy(): MeshProxy | undefined;
  finish(drainMs: number): void;
  /** Resolves when the proxy shall end, for whatever reason. */
  readonly finished: Promise<void>;
  end(): Promise<void>;
}

function createWorld(options: RunProxyOptions): World {
  const { runtime, shutdown } = options;
  const transport = createBunTransport(runtime.clock);
  const ending = Promise.withResolvers<void>();
  let proxy: MeshProxy | undefined;
  let drainMs = shutdownDrainMs;
  const finish = (ms: number): void => {
    drainMs = ms;
    ending.resolve();
  };
  const onShutdown = (): void => finish(shutdownDrainMs);
  if (shutdown.aborted) onShutdown();
  else shutdown.addEventListener("abort", onShutdown, { once: true });
  return {
    finish,
    finished: ending.promise,
    proxy: () => proxy,
    start(config) {
      try {
        proxy = new MeshProxy(
          {
            runtime,
            transport,
            loadIdentity: (files) => loadIdentity(files, runtime.clock.nowMs()),
            residentBytes: options.residentBytes,
            onDrainRequested: () => finish(defaultDrainMs),
          },
          config,
        );
        return proxy;
      } catch (thrown) {
        transport.stop();
        throw thrown;
      }
    },
    async end() {
      shutdown.removeEventListener("abort", onShutdown);
      runtime.logger.info("draining", { drainMs });
      await proxy?.drain(drainMs);
      proxy?.stop();
      transport.stop();
      runtime.logger.info("proxy stopped");
    },
  };
}
