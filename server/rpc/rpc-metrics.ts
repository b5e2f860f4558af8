import { Counter, Gauge, type Registry } from "prom-client";

export interface RpcMetrics {
  /** `code` is `OK` or one of the error table. */
  countCall(method: string, code: string): void;
  /** Callers turned away, by why: one of the reasons of caller.ts, or `bad-join-token`. */
  countRefusal(reason: string): void;
  streamOpened(): void;
  streamClosed(): void;
}

export function createRpcMetrics(registry: Registry): RpcMetrics {
  const registers = [registry];
  const calls = new Counter({
    name: "atoll_server_rpc_calls_total",
    help: "RPCs of agents answered, by method and code",
    labelNames: ["method", "code"],
    registers,
  });
  const refusals = new Counter({
    name: "atoll_server_rpc_refused_total",
    help: "RPCs refused because of who called, by reason",
    labelNames: ["reason"],
    registers,
  });
  const streams = new Gauge({
    name: "atoll_server_rpc_streams",
    help: "Open subscription streams of agents",
    registers,
  });
  return {
    countCall: (method, code) => calls.inc({ method, code }),
    countRefusal: (reason) => refusals.inc({ reason }),
    streamOpened: () => streams.inc(),
    streamClosed: () => streams.dec(),
  };
}
