import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { ProxyConfigReader } from "../../lib/contract/proxy-config-reader.ts";
import { formatIssues } from "../../lib/contract/schema-issues.ts";
import { DataPlane } from "../data-plane.ts";
import type { MemoryUsage } from "../telemetry/proxy-families.ts";
import { systemOutputs } from "../telemetry/system-outputs.ts";
import { createBunTransport } from "../transport/bun.ts";
import { loadIdentity } from "../transport/identity.ts";
import type { Transport } from "../transport/transport.ts";
import { type FromWorker, isToWorker, type ToWorker } from "./messages.ts";
import { TappedRequests } from "./worker-taps.ts";

/** The channel to the main process. */
export interface WorkerChannel {
  send(message: FromWorker): void;
  onMessage(listener: (message: unknown) => void): void;
  onDisconnect(listener: () => void): void;
  close(): void;
}

export interface RunWorkerOptions {
  readonly runtime: Runtime;
  readonly channel: WorkerChannel;
  readonly shutdown: AbortSignal;
  readonly memoryUsage: () => MemoryUsage;
}

/** When nobody is left to say how long: the main process has died. */
const orphanDrainMs = 5_000;

/** One worker of a proxy: serves what the main process tells it until that says to drain, or is gone. */
export async function runWorker(options: RunWorkerOptions): Promise<void> {
  const { runtime, channel } = options;
  const transport = createBunTransport(runtime.clock);
  const ending = Promise.withResolvers<number>();
  let plane: DataPlane | undefined;
  let tapped: TappedRequests | undefined;
  const reader = new ProxyConfigReader();
  const onConfig = ({ config: received, version, ports, processes }: Extract<ToWorker, { type: "config" }>): void => {
    try {
      // Whole every time, so the listeners that are the same are found here.
      const read = reader.read(received);
      if (!read.ok) throw new AtollError("CONFIG_INVALID", formatIssues(read.issues));
      const { config } = read;
      plane ??= new DataPlane(
        {
          runtime,
          transport,
          loadIdentity: (files) => loadIdentity(files, runtime.clock.nowMs()),
          memoryUsage: options.memoryUsage,
          outputs: systemOutputs(runtime.clock),
          sharing: "join",
          processes,
        },
        config,
      );
      tapped ??= createTapped(plane, transport, channel);
      plane.apply(config, version, ports);
      channel.send({ type: "applied", version });
    } catch (thrown) {
      channel.send({ type: "rejected", version, message: errorMessage(thrown) });
    }
  };
  channel.onMessage((message) => {
    if (!isToWorker(message)) return;
    if (message.type === "config") onConfig(message);
    else if (message.type === "tap") tapped?.open(message.id, message.filter);
    else if (message.type === "untap") tapped?.close(message.id);
    else if (message.type === "metrics") channel.send({ type: "metrics", families: plane?.families() ?? [] });
    else ending.resolve(message.drainMs);
  });
  channel.onDisconnect(() => ending.resolve(orphanDrainMs));
  options.shutdown.addEventListener("abort", () => ending.resolve(orphanDrainMs), { once: true });
  channel.send({ type: "started" });
  const drainMs = await ending.promise;
  await plane?.drain(drainMs);
  plane?.stop();
  transport.stop();
  channel.close();
}

function createTapped({ context }: DataPlane, transport: Transport, channel: WorkerChannel): TappedRequests {
  return new TappedRequests({
    subscribe: (filter, listener) => context.telemetry.tap.subscribe(filter, listener),
    send: (message) => channel.send(message),
    atEndOfTurn: (callback) => transport.atEndOfTurn(callback),
  });
}
