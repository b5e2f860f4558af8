import type { Clock } from "../base/clock.ts";
import { type ChannelCredentials, callUnary, createGrpcClient } from "./grpc-client.ts";
import { type EnrollRequest, type EnrollResponse, rpcMethods } from "./rpc-methods.ts";

const enrollTimeoutMs = 10_000;

/**
 * Asks one server for a node's first certificate. `identity` pins the roots: the join token in the request is only sent
 * once the server has proven to be of that cluster.
 */
export async function enrollAt(options: {
  readonly address: string;
  readonly identity: Omit<ChannelCredentials, "certificate">;
  readonly request: EnrollRequest;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<EnrollResponse> {
  const client = createGrpcClient(options.address, options.identity);
  try {
    const { address, request, clock, signal } = options;
    const call = { method: rpcMethods.Enroll, isWrite: false, timeoutMs: enrollTimeoutMs };
    return await callUnary({ ...call, client, address, request, clock, signal });
  } finally {
    client.close();
  }
}
