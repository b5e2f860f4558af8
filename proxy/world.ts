import { availableParallelism } from "node:os";
import type { Runtime } from "../lib/base/runtime.ts";
import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import type { SettingSources } from "../lib/contract/setting-sources.ts";
import { MeshProxy } from "./proxy.ts";
import type { MemoryUsage } from "./telemetry/proxy-families.ts";
import { systemOutputs } from "./telemetry/system-outputs.ts";
import { createBunTransport } from "./transport/bun.ts";
import { loadIdentity } from "./transport/identity.ts";
import { WorkerGroup } from "./workers/worker-group.ts";
import { type ProxyProgram, startWorkerProcess } from "./workers/worker-process.ts";

export interface WorldOptions {
  readonly runtime: Runtime;
  /** Aborted when the process is told to end: the proxy drains and the run resolves. */
  readonly shutdown: AbortSignal;
  readonly memoryUsage: () => MemoryUsage;
  /** How workers and successors are started. */
  readonly program: ProxyProgram;
  /** Flags that a worker shares with this process, those of its log. */
  readonly logFlags: readonly string[];
  /** The process to take over from: it serves on our addresses until we do. */
  readonly replaces?: number;
}

/** One proxy with what it needs of its machine, from its first configuration to its end, whoever drives it. */
export interface World {
  /** Throws when the configuration cannot be used. */
  start(config: ProxyConfig, version: number, sources?: SettingSources): MeshProxy;
  proxy(): MeshProxy | undefined;
  /** `drainMs` is the configuration's when absent. */
  finish(drainMs?: number): void;
  /** Resolves when the proxy shall end, for whatever reason. */
  readonly finished: Promise<void>;
  end(): Promise<void>;
}

export function createWorld(options: WorldOptions, onRestartRequested: () => void): World {
  const { runtime, shutdown } = options;
  const transport = createBunTransport(runtime.clock);
  const ending = Promise.withResolvers<void>();
  let proxy: MeshProxy | undefined;
  let drainMs: number | undefined;
  const finish = (ms?: number): void => {
    drainMs = ms;
    ending.resolve();
  };
  const onShutdown = (): void => finish();
  if (shutdown.aborted) onShutdown();
  else shutdown.addEventListener("abort", onShutdown, { once: true });
  return {
    finish,
    finished: ending.promise,
    proxy: () => proxy,
    start(config, version, sources) {
      const processes = processCount(config);
      const workers = processes > 1 ? createWorkers(options, processes - 1) : undefined;
      proxy = new MeshProxy(
        {
          runtime,
          transport,
          loadIdentity: (files) => loadIdentity(files, runtime.clock.nowMs()),
          memoryUsage: options.memoryUsage,
          outputs: systemOutputs(runtime.clock),
          onDrainRequested: () => finish(),
          onRestartRequested,
          sharing: options.replaces === undefined ? "claim" : "replace",
          processes,
          ...(workers === undefined ? {} : { workers }),
        },
        config,
        version,
        sources,
      );
      return proxy;
    },
    async end() {
      shutdown.removeEventListener("abort", onShutdown);
      const deadlineMs = drainMs ?? proxy?.config.drainTimeoutMs ?? 0;
      runtime.logger.info("draining", { deadlineMs });
      await proxy?.drain(deadlineMs);
      proxy?.stop();
      transport.stop();
      runtime.logger.info("proxy stopped");
    },
  };
}

function processCount({ workers }: ProxyConfig): number {
  return workers === "auto" ? availableParallelism() : workers;
}

function createWorkers({ runtime, program, logFlags }: WorldOptions, count: number): WorkerGroup {
  return new WorkerGroup({ runtime, count, start: (events) => startWorkerProcess(program, logFlags, events) });
}
