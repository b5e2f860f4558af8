import { type Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { callUnary } from "../../../lib/client/grpc-client.ts";
import { fromServiceError } from "../../../lib/client/rpc-errors.ts";
import { rpcMethods, type SubscribeRequest, type TopicUpdate } from "../../../lib/client/rpc-methods.ts";
import { encodeJson } from "../../../lib/client/wire-schemas.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";

/** Calls every method that needs a certificate, and says for each what came of it. */
export async function callEvery(client: Client, address: string): Promise<ReadonlyMap<string, string>> {
  const signal = new AbortController().signal;
  const common = { client, address, isWrite: false, clock: systemClock, timeoutMs: 5_000, signal };
  const empty = { method: "GET", url: "/v1/status/leader", headers: {}, body: new Uint8Array() };
  const write = { type: "deregister", node: "host-1" };
  const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
    [
      "Write",
      () => callUnary({ ...common, method: rpcMethods.Write, request: { json: encodeJson(write) }, isWrite: true }),
    ],
    [
      "NodeRegistrations",
      () => callUnary({ ...common, method: rpcMethods.NodeRegistrations, request: { node: "host-1" } }),
    ],
    ["Sign", () => callUnary({ ...common, method: rpcMethods.Sign, request: { csrPem: "none" } })],
    ["Forward", () => callUnary({ ...common, method: rpcMethods.Forward, request: empty })],
  ];
  const outcomes = new Map<string, string>();
  for (const [name, call] of calls) outcomes.set(name, await outcomeOf(call()));
  const stream = await openRawStream(client);
  const ended = await Promise.race([stream.ended, Bun.sleep(100)]);
  outcomes.set("Subscribe", ended === undefined ? "open" : `${ended.code}: ${ended.message}`);
  stream.cancel();
  outcomes.set("Lease", await leaseOutcome(client));
  return outcomes;
}

/** `open`, or the error with which a lease stream without a request ended. */
async function leaseOutcome(client: Client): Promise<string> {
  const { path, requestSerialize, responseDeserialize } = rpcMethods.Lease;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
  const ended = new Promise<AtollError>((resolve) => {
    stream.on("error", (error: ServiceError) =>
      resolve(fromServiceError(error, { method: "Lease", address: "test", isWrite: false })),
    );
  });
  const error = await Promise.race([ended, Bun.sleep(100)]);
  stream.cancel();
  return error === undefined ? "open" : `${error.code}: ${error.message}`;
}

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "answered";
  } catch (thrown) {
    if (thrown instanceof AtollError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
}

export interface RawStream {
  readonly updates: TopicUpdate[];
  send(request: SubscribeRequest): void;
  pause(): void;
  resume(): void;
  cancel(): void;
  /** The error with which the stream ended. */
  readonly ended: Promise<AtollError>;
}

/** A subscription stream without the comfort of the link. */
export async function openRawStream(client: Client): Promise<RawStream> {
  const { path, requestSerialize, responseDeserialize } = rpcMethods.Subscribe;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
  const updates: TopicUpdate[] = [];
  stream.on("data", (update: TopicUpdate) => updates.push(update));
  const ended = new Promise<AtollError>((resolve) => {
    const context = { method: "Subscribe", address: "test", isWrite: false };
    stream.on("error", (error: ServiceError) => resolve(fromServiceError(error, context)));
  });
  return {
    updates,
    ended,
    send: (request) => void stream.write(request),
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    cancel: () => stream.cancel(),
  };
}
