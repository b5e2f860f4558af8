/**
 * The receiving end of what servers say to each other. A stream is from one server, proven by its certificate, to this
 * one, by its id: whoever reached the wrong address, or another cluster's server, is told so and ended.
 */
import type { ServerReadableStream } from "@grpc/grpc-js";
import { crc32c } from "../../lib/base/crc32c.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Message } from "../raft/core/types.ts";
import type { PeerInbox } from "../raft/shell/peer-wire.ts";
import type { Authority } from "../ca/authority.ts";
import {
  agreeOnProtocol,
  format,
  isSpoken,
  ownProtocols,
  type ProtocolRange,
  protocolHeaders,
  protocolsIn,
} from "./protocol-range.ts";
import type { Empty, WireMessageGroup, WireSnapshotPart } from "./raft-methods.ts";
import { decodeSnapshotMeta, fromWire } from "./raft-wire.ts";
import { createServerCheck, type ServerCaller } from "./server-caller.ts";

/** The longest that timers can be set for. */
const maxTimerMs = 2_000_000_000;

type Stream = ServerReadableStream<unknown, Empty>;
type Finish = (error: ReturnType<typeof toRpcStatus> | null, answer?: Empty) => void;

export interface RaftService {
  messages(stream: ServerReadableStream<WireMessageGroup, Empty>, finish: Finish): void;
  installSnapshot(stream: ServerReadableStream<WireSnapshotPart, Empty>, finish: Finish): void;
  /** Ends every stream: this server is stopping. */
  close(): void;
}

export function createRaftService(options: {
  readonly inbox: PeerInbox;
  readonly authority: Pick<Authority, "rootsPem" | "trustDomain" | "datacenter">;
  readonly protocols?: ProtocolRange;
  readonly runtime: Runtime;
}): RaftService {
  const { inbox, runtime, protocols = ownProtocols } = options;
  const check = createServerCheck({ authority: options.authority, clock: runtime.clock });
  const open = new Set<(error: AtollError) => void>();

  const checkEnvelope = (envelope: Envelope, caller: ServerCaller): void => {
    if (!isSpoken(protocols, envelope.protocolVersion)) {
      throw refused(`this server speaks protocol ${format(protocols)}, not ${envelope.protocolVersion}`);
    }
    if (envelope.clusterId !== inbox.clusterId) {
      throw new AtollError("WRONG_CLUSTER", `this server is of cluster ${inbox.clusterId}, not ${envelope.clusterId}`);
    }
    if (envelope.to !== inbox.nodeId) throw refused(`this is server ${inbox.nodeId}, not ${envelope.to}`);
    if (!caller.isNode(envelope.from)) throw refused(`the certificate is not that of server ${envelope.from}`);
  };
  /** Lets a server of the cluster in that speaks a version of ours; the answered headers tell it that the stream stands. */
  const greet = (stream: Pick<Stream, "getAuthContext" | "metadata" | "sendMetadata">): ServerCaller => {
    const caller = check(stream.getAuthContext());
    const calling = { name: "the server that calls", protocols: protocolsIn(stream.metadata) };
    agreeOnProtocol(calling, { name: `server ${inbox.nodeId}`, protocols });
    stream.sendMetadata(protocolHeaders(protocols));
    return caller;
  };
  /** Runs `finish` once, however the stream ends, and no later than the certificate that opened it. */
  const track = (caller: ServerCaller, finish: Finish): { end(error?: unknown): void; isOver(): boolean } => {
    let isOver = false;
    const end = (error?: unknown): void => {
      if (isOver) return;
      isOver = true;
      expiry.cancel();
      open.delete(end);
      if (error === undefined) finish(null, {});
      else finish(toRpcStatus(error));
    };
    const lifeMs = Math.min(caller.notAfterMs - runtime.clock.nowMs(), maxTimerMs);
    const expiry = runtime.clock.after(lifeMs, () => end(refused("the certificate of this stream has expired")));
    open.add(end);
    return { end, isOver: () => isOver };
  };

  return {
    messages(stream, finish) {
      let caller: ServerCaller;
      try {
        caller = greet(stream);
      } catch (thrown) {
        finish(toRpcStatus(thrown));
        return;
      }
      const { end, isOver } = track(caller, finish);
      let known = "";
      stream.on("data", (group: WireMessageGroup) => {
        if (isOver()) return;
        try {
          const name = `${group.clusterId} ${group.from} ${group.to} ${group.protocolVersion}`;
          if (name !== known) checkEnvelope(group, caller);
          known = name;
          inbox.onMessages({ ...group, messages: readMessages(group) });
        } catch (thrown) {
          end(thrown);
        }
      });
      stream.on("end", () => end());
      stream.on("error", end);
      stream.on("cancelled", () => end());
    },
    installSnapshot(stream, finish) {
      void receiveSnapshot(stream).then(
        () => finish(null, {}),
        (thrown: unknown) => finish(toRpcStatus(thrown)),
      );
    },
    close() {
      for (const end of [...open]) end(new AtollError("UNAVAILABLE", `server ${inbox.nodeId} is stopping`));
    },
  };

  async function receiveSnapshot(stream: ServerReadableStream<WireSnapshotPart, Empty>): Promise<void> {
    const caller = greet(stream);
    const parts: AsyncIterator<WireSnapshotPart> = stream[Symbol.asyncIterator]();
    const header = await parts.next().then((first) => (first.done === true ? undefined : first.value.header));
    const meta = decodeSnapshotMeta(header?.snapshotJson ?? "");
    if (header === undefined || header === null || meta === undefined) throw refused("the snapshot has no header");
    checkEnvelope(header, caller);
    const body = readSnapshotBody(parts);
    await inbox.onSnapshot({
      from: header.from,
      term: header.term,
      meta,
      chunks: body.chunks(),
      totals: () => {
        const end = body.end();
        if (end === undefined) throw damaged("it has no end");
        return end;
      },
    });
  }
}

interface Envelope {
  readonly protocolVersion: number;
  readonly clusterId: string;
  readonly from: string;
  readonly to: string;
}

function readMessages(group: WireMessageGroup): readonly Message[] {
  const { from, to } = group;
  return group.messages.map((wire) => {
    const message = fromWire({ ...emptyMessage, ...wire }, { from, to });
    if (message === undefined) throw refused(`a message of type "${wire.type}" cannot be read`);
    return message;
  });
}

const emptyMessage = {
  type: "",
  term: 0,
  index: 0,
  logTerm: 0,
  commit: 0,
  round: 0,
  flag: false,
  hintIndex: 0,
  hintTerm: 0,
  entries: [],
  snapshotJson: "",
} as const;

/** Chunks in order, each checked against its sum, up to the end that says how much there should have been. */
function readSnapshotBody(parts: AsyncIterator<WireSnapshotPart>) {
  let offset = 0;
  let end: { readonly rowCount: number; readonly rowDigest: number } | undefined;
  return {
    end: () => end,
    async *chunks(): AsyncIterable<Uint8Array> {
      for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
        const { chunk, end: last } = next.value;
        if (last !== undefined && last !== null) {
          if (last.totalBytes !== offset) throw damaged(`${last.totalBytes} bytes were sent, ${offset} came`);
          end = { rowCount: last.rowCount, rowDigest: last.rowDigest };
          return;
        }
        if (chunk === undefined || chunk === null || chunk.offset !== offset) throw damaged("a chunk is missing");
        if (crc32c(chunk.data) !== chunk.checksum) throw damaged("the checksum of a chunk is wrong");
        offset += chunk.data.byteLength;
        yield chunk.data;
      }
      throw damaged("the stream broke off");
    },
  };
}

function refused(message: string): AtollError {
  return new AtollError("PERMISSION_DENIED", message);
}

function damaged(problem: string): AtollError {
  return new AtollError("DATA_CORRUPT", `the snapshot is damaged: ${problem}`);
}
