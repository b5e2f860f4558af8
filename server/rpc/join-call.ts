import type { Clock } from "../../lib/base/clock.ts";
import { type ChannelCredentials, callUnary, createGrpcClient } from "../../lib/client/grpc-client.ts";
import { agreeOnProtocol, ownProtocols, type ProtocolRange, protocolsOf } from "./protocol-range.ts";
import { type JoinRequest, type JoinResponse, raftMethods } from "./raft-methods.ts";

/** A membership change has to be committed before it is answered. */
const joinTimeoutMs = 10_000;

/**
 * Asks one server to be taken into its cluster. Rejects with `NO_LEADER`, which may name the leader, by a follower, and with
 * `PROTOCOL_MISMATCH` when the two cannot talk.
 */
export async function joinAt(options: {
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly request: Omit<JoinRequest, "protocols">;
  readonly protocols?: ProtocolRange;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<JoinResponse> {
  const { address, clock, signal, protocols = ownProtocols } = options;
  const request = { ...options.request, protocols };
  const client = createGrpcClient(address, options.credentials);
  try {
    const call = { method: raftMethods.Join, isWrite: false, timeoutMs: joinTimeoutMs };
    const answer = await callUnary({ ...call, client, address, request, clock, signal });
    // A server that is too old to look at our range says its own, or nothing.
    const asked = { name: `the server at ${address}`, protocols: protocolsOf(answer.protocols) };
    agreeOnProtocol({ name: "this server", protocols }, asked);
    return answer;
  } finally {
    client.close();
  }
}
