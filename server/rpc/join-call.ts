import type { Clock } from "../../lib/base/clock.ts";
import { type ChannelCredentials, callUnary, createGrpcClient } from "../../lib/client/grpc-client.ts";
import { type JoinRequest, type JoinResponse, raftMethods } from "./raft-methods.ts";

/** A membership change has to be committed before it is answered. */
const joinTimeoutMs = 10_000;

/** Asks one server to be taken into its cluster. Rejects with `NO_LEADER`, which may name the leader, by a follower. */
export async function joinAt(options: {
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly request: JoinRequest;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<JoinResponse> {
  const { address, request, clock, signal } = options;
  const client = createGrpcClient(address, options.credentials);
  try {
    const call = { method: raftMethods.Join, isWrite: false, timeoutMs: joinTimeoutMs };
    return await callUnary({ ...call, client, address, request, clock, signal });
  } finally {
    client.close();
  }
}
