import type { AgentOptions } from "../agent/config/agent-options.ts";
import { type GrpcListeners, openGrpcListeners } from "../agent/grpc/grpc-listeners.ts";
import type { Runtime } from "../lib/base/runtime.ts";
import type { HttpApp } from "../lib/http/http-app.ts";
import { addConsulServices } from "../server/grpc/consul-services.ts";
import { createForwardHandler } from "../server/http/forward-handler.ts";
import type { Server } from "../server/server.ts";

/** After HTTP: what is asked over gRPC is answered as it would be over HTTP. */
export async function openGrpc(parts: {
  readonly options: AgentOptions;
  readonly runtime: Runtime;
  readonly app: HttpApp;
  /** Absent on an agent without one. */
  readonly server: Server | undefined;
}): Promise<GrpcListeners> {
  const { options, runtime, server } = parts;
  const stopping = new AbortController();
  const listeners = await openGrpcListeners({
    spec: options.grpc,
    runtime,
    ...(server !== undefined && {
      addServices: (added) =>
        addConsulServices(added, {
          blocking: server.blocking,
          isAclEnabled: options.acl.isEnabled,
          resolveToken: (secret) => server.resolveToken(secret),
          ask: createForwardHandler(parts.app),
          signal: stopping.signal,
          runtime,
        }),
    }),
  });
  return {
    ...listeners,
    close(deadlineMs) {
      stopping.abort();
      return listeners.close(deadlineMs);
    },
  };
}
