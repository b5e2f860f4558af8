/** What every RPC has in common: who calls, how an error gets back to the caller, what is counted. */
import type { handleUnaryCall, ServerUnaryCall } from "@grpc/grpc-js";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Clock } from "../../lib/base/clock.ts";
import type { Logger } from "../../lib/base/logger.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Authority } from "../ca/authority.ts";
import { type AgentIdentity, type CallerIdentity, createCallerCheck } from "./caller.ts";
import type { RpcMetrics } from "./rpc-metrics.ts";

export interface EnrolledCaller<Identity extends CallerIdentity = AgentIdentity> {
  readonly identity: Identity;
  readonly notAfterMs: number;
}

type Call = Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext">;

export interface Authentication {
  /** Throws `PERMISSION_DENIED` for everybody but an enrolled agent. */
  agent(call: Call): EnrolledCaller;
  /** Lets the other servers of the cluster in as well. */
  agentOrServer(call: Call): EnrolledCaller<CallerIdentity>;
}

/** Refusals are counted by their reason. */
export function createAuthentication(options: {
  readonly authority: Authority;
  readonly metrics: RpcMetrics;
  readonly clock: Clock;
}): Authentication {
  const check = createCallerCheck(options);
  const agentOrServer: Authentication["agentOrServer"] = (call) => {
    const caller = check(call.getAuthContext());
    if (caller.ok) return caller;
    options.metrics.countRefusal(caller.reason);
    throw new AtollError("PERMISSION_DENIED", caller.message);
  };
  return {
    agentOrServer,
    agent(call) {
      const { identity, notAfterMs } = agentOrServer(call);
      if (identity.kind === "agent") return { identity, notAfterMs };
      options.metrics.countRefusal("not-an-agent");
      throw new AtollError("PERMISSION_DENIED", "the client certificate is of a server, which is not an agent");
    },
  };
}

type UnaryWork<Request, Response> = (
  call: ServerUnaryCall<Request, Response>,
  signal: AbortSignal,
) => Promise<Response>;

/** Turns work that returns or throws into a gRPC handler; its signal is aborted when the caller goes away. */
export function createAnswerer(options: { readonly metrics: RpcMetrics; readonly logger: Logger }) {
  return <Request, Response>(method: string, work: UnaryWork<Request, Response>): handleUnaryCall<Request, Response> =>
    (call, callback) => {
      const cancelled = new AbortController();
      call.on("cancelled", () => cancelled.abort());
      work(call, cancelled.signal).then(
        (response) => {
          options.metrics.countCall(method, "OK");
          callback(null, response);
        },
        (thrown: unknown) => {
          options.metrics.countCall(method, thrown instanceof AtollError ? thrown.code : "INTERNAL");
          // Work that was broken off because its caller went away fails in many ways, none of which is a fault.
          if (!(thrown instanceof AtollError) && !cancelled.signal.aborted) {
            options.logger.error("an RPC failed", { method, error: errorMessage(thrown) });
          }
          callback(toRpcStatus(thrown));
        },
      );
    };
}
