import type { Clock } from "../../lib/base/clock.ts";
import { type ChannelCredentials, createGrpcClient, isReady } from "../../lib/client/grpc-client.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

const timeoutMs = 5_000;

/** Rejects with `UNAVAILABLE` unless a server of this cluster answers at `address`: its certificate proves it. */
export async function verifyServer(
  address: string,
  options: { readonly credentials: ChannelCredentials; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const client = createGrpcClient(address, options.credentials);
  try {
    if (await isReady(client, { clock: options.clock, timeoutMs, signal: options.signal })) return;
    throw new AtollError("UNAVAILABLE", `no server of this cluster answers at ${address}`);
  } finally {
    client.close();
  }
}
