/** The sending end of what servers say to each other: one connection per stream, so that every dial looks the name up anew. */
import type { Client, ClientWritableStream, ServiceError } from "@grpc/grpc-js";
import { crc32c } from "../../lib/base/crc32c.ts";
import type { Clock } from "../../lib/base/clock.ts";
import { type ChannelCredentials, createGrpcClient, isReady } from "../../lib/client/grpc-client.ts";
import { fromServiceError } from "../../lib/client/rpc-errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { OutgoingSnapshot, PeerStream, PeerWire } from "../raft/shell/peer-wire.ts";
import { ownProtocols, type ProtocolRange, protocolHeaders } from "./protocol-range.ts";
import { type Empty, raftMethods, type WireMessageGroup, type WireSnapshotPart } from "./raft-methods.ts";
import { toWire } from "./raft-wire.ts";
import { agreedProtocol, type StreamOptions } from "./stream-handshake.ts";

const connectTimeoutMs = 2_000;
/** How long a receiver may take over one chunk, or to make the whole durable. */
const snapshotStallMs = 60_000;

/** `credentials` is asked at every dial: certificates are renewed while streams stand. */
export function createRaftDialer(options: {
  readonly credentials: () => ChannelCredentials;
  readonly protocols?: ProtocolRange;
  readonly clock: Clock;
}): PeerWire {
  const { clock, protocols = ownProtocols } = options;
  const connect = async (address: string, signal: AbortSignal): Promise<Client> => {
    const client = createGrpcClient(address, options.credentials());
    if (await isReady(client, { clock, timeoutMs: connectTimeoutMs, signal })) return client;
    client.close();
    throw new AtollError("UNAVAILABLE", `no server answers at ${address}`);
  };
  return {
    async dial(address, signal) {
      const client = await connect(address, signal);
      try {
        return await openStream(client, address, { protocols, clock, signal });
      } catch (thrown) {
        client.close();
        throw thrown;
      }
    },
    async sendSnapshot(address, snapshot, signal) {
      const client = await connect(address, signal);
      try {
        await streamSnapshot({ client, address, snapshot, signal, clock, protocols });
      } finally {
        client.close();
      }
    },
  };
}

/** Resolves when the server has answered which protocol it speaks, with the newest version that both know. */
async function openStream(client: Client, address: string, options: StreamOptions): Promise<PeerStream> {
  let onEnd: ((reason: string) => void) | undefined;
  let reason: string | undefined;
  let isClosed = false;
  const end = (why: string): void => {
    if (reason !== undefined || isClosed) return;
    reason = why;
    onEnd?.(why);
  };
  const { path, requestSerialize, responseDeserialize } = raftMethods.Messages;
  const refusal = Promise.withResolvers<never>();
  refusal.promise.catch(() => undefined);
  const call: ClientWritableStream<WireMessageGroup> = client.makeClientStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    protocolHeaders(options.protocols),
    {},
    (error: ServiceError | null) => {
      if (error !== null) {
        refusal.reject(fromServiceError(error, { method: "Messages", address, isWrite: false }));
      }
      end(error === null ? "the server ended the stream" : error.details);
    },
  );
  call.on("error", (error: Error) => end(error.message));
  const protocolVersion = await Promise.race([agreedProtocol(call, address, options), refusal.promise]);
  return {
    write: ({ messages, ...envelope }) =>
      new Promise((resolve, reject) => {
        if (reason !== undefined) {
          reject(new AtollError("UNAVAILABLE", `the stream to ${address} has ended: ${reason}`));
          return;
        }
        call.write({ protocolVersion, ...envelope, messages: messages.map(toWire) }, (error?: Error | null) => {
          if (error === undefined || error === null) resolve();
          else reject(error);
        });
      }),
    onEnd(listener) {
      onEnd = listener;
      if (reason !== undefined) listener(reason);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      call.cancel();
      client.close();
    },
  };
}

/** Header, chunks, end; each part is written when the one before has been taken by the network. */
async function streamSnapshot(
  options: StreamOptions & { readonly client: Client; readonly address: string; readonly snapshot: OutgoingSnapshot },
): Promise<void> {
  const { client, address, snapshot, signal, clock } = options;
  const done = Promise.withResolvers<void>();
  // Nobody waits for it before the parts are written.
  done.promise.catch(() => undefined);
  const { path, requestSerialize, responseDeserialize } = raftMethods.InstallSnapshot;
  const context = { method: "InstallSnapshot", address, isWrite: false };
  const call: ClientWritableStream<WireSnapshotPart> = client.makeClientStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    protocolHeaders(options.protocols),
    {},
    (error: ServiceError | null, _answer?: Empty) => {
      if (error === null) done.resolve();
      else done.reject(fromServiceError(error, context));
    },
  );
  call.on("error", () => undefined);
  const cancel = (): void => call.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  let stall = clock.after(snapshotStallMs, cancel);
  const write = async (part: WireSnapshotPart): Promise<void> => {
    const written = new Promise<void>((resolve) => call.write(part, () => resolve()));
    await Promise.race([written, done.promise]);
    stall.cancel();
    stall = clock.after(snapshotStallMs, cancel);
  };
  try {
    const protocolVersion = await Promise.race([agreedProtocol(call, address, options), refused(done.promise)]);
    const { clusterId, from, to, term, meta, rowCount, rowDigest } = snapshot;
    await write({ header: { protocolVersion, clusterId, from, to, term, snapshotJson: JSON.stringify(meta) } });
    let offset = 0;
    for await (const data of snapshot.chunks) {
      await write({ chunk: { offset, data, checksum: crc32c(data) } });
      offset += data.byteLength;
    }
    await write({ end: { totalBytes: offset, rowCount, rowDigest } });
    call.end();
    await done.promise;
  } catch (thrown) {
    call.cancel();
    throw thrown;
  } finally {
    stall.cancel();
    signal.removeEventListener("abort", cancel);
  }
}

/** Only how a call fails: it cannot have succeeded before anything was sent. */
async function refused(done: Promise<void>): Promise<never> {
  await done;
  throw new AtollError("INTERNAL", "a snapshot was answered before it was sent");
}
