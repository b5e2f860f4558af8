/** What every RPC has in common: who calls, how an error gets back to the caller, what is counted. */
import type { handleUnaryCall, ServerUnaryCall } from "@grpc/grpc-js";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Clock } from "../../lib/base/clock.ts";
import type { Logger } from "../../lib/base/logger.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Authority } from "../ca/authority.ts";
import { type AgentIdentity, createCallerCheck } from "./caller.ts";
import type { RpcMetrics } from "./rpc-metrics.ts";

export interface EnrolledCaller {
  readonly identity: AgentIdentity;
  readonly notAfterMs: number;
}

export type Authenticate = (call: Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext">) => EnrolledCaller;

/** The function made throws `PERMISSION_DENIED` for everybody but an enrolled agent, and counts why. */
export function createAuthentication(options: {
  readonly authority: Authority;
  readonly metrics: RpcMetrics;
  readonly clock: Clock;
}): Authenticate {
  const check = createCallerCheck({ ...options.authority, clock: options.clock });
  return (call) => {
    const caller = check(call.getAuthContext());
    if (caller.ok) return caller;
    options.metrics.countRefusal(caller.reason);
    throw new AtollError("PERMISSION_DENIED", caller.message);
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
          if (!(thrown instanceof AtollError)) {
            options.logger.error("an RPC failed", { method, error: errorMessage(thrown) });
          }
          callback(toRpcStatus(thrown));
        },
      );
    };
}
