/** Calls that find the leader: a server that refuses says where it is, and what is safe to ask again is asked again. */
import type { MethodDefinition } from "@grpc/grpc-js";
import { createBackoff } from "../base/backoff.ts";
import { sleep } from "../base/clock.ts";
import type { Runtime } from "../base/runtime.ts";
import { AtollError } from "../contract/error-codes.ts";
import { callUnary } from "./grpc-client.ts";
import type { ServerConnection, ServerConnections } from "./server-connections.ts";

/** Servers hold a call while they elect a leader, so few attempts bridge that; more would only hide an outage. */
const maxAttempts = 4;
const retryDelays = { minDelayMs: 25, maxDelayMs: 250 };

export interface CallOptions {
  readonly isWrite: boolean;
  /** Whether it may be done twice: a read, or a write under a request id. */
  readonly isRepeatable: boolean;
  /** Of each attempt. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type Caller = <Request, Response>(
  method: MethodDefinition<Request, Response>,
  request: Request,
  options: CallOptions,
) => Promise<Response>;

export function createCaller(connections: ServerConnections, runtime: Runtime): Caller {
  const { clock, random } = runtime;
  return async (method, request, options) => {
    const backoff = createBackoff({ ...retryDelays, random });
    /** What one attempt may have done is not undone by the next one's certainty that it did nothing. */
    let unknown: AtollError | undefined;
    for (let attempt = 1; ; attempt++) {
      let connection: ServerConnection | undefined;
      try {
        connection = await connections.connect(options.signal);
        return await callUnary({ ...connection, method, request, clock, ...options });
      } catch (thrown) {
        // When no server at all can be reached, the caller knows best how long to wait.
        if (connection === undefined) throw unknown ?? thrown;
        if (!(thrown instanceof AtollError) || !isWorthAnother(thrown, options)) throw thrown;
        if (thrown.code === "UNKNOWN_OUTCOME") unknown = thrown;
        if (attempt >= maxAttempts || options.signal.aborted) throw unknown ?? thrown;
        leave(connections, connection, thrown);
        await sleep(clock, backoff.nextDelayMs(), options.signal);
      }
    }
  };
}

/** Nothing happened, or what may have happened may happen again. A call that took all its time is not given more. */
function isWorthAnother(error: AtollError, options: CallOptions): boolean {
  if (error.code === "NO_LEADER" || error.code === "UNAVAILABLE") return true;
  return error.code === "UNKNOWN_OUTCOME" && options.isRepeatable;
}

/** Another server may be the leader, or know it. */
function leave(connections: ServerConnections, connection: ServerConnection, error: AtollError): void {
  if (error.leader !== "") connections.follow(connection, error.leader);
  else connections.giveUp(connection);
}
