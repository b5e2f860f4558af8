import type { Message, NodeId, SnapshotMeta, Term } from "../../server/raft/core/types.ts";
import type { Row } from "../../server/raft/replica/replica-api.ts";
import type { EventHeap } from "./event-heap.ts";
import { hashText } from "./random.ts";
import type { SimServer } from "./server.ts";

/** What one server sends another: consensus messages, and snapshots in chunks that the receiver acknowledges. */
export type Packet =
  | { readonly kind: "message"; readonly message: Message }
  | {
      readonly kind: "chunk";
      readonly stream: number;
      readonly at: number;
      readonly of: number;
      readonly term: Term;
      readonly snapshot: SnapshotMeta;
      readonly rows: readonly Row[];
      readonly checksum: number;
    }
  | { readonly kind: "chunk-stored"; readonly stream: number; readonly at: number };

export interface SnapshotStreams {
  start(from: SimServer, to: NodeId, term: Term): void;
  receive(from: NodeId, to: SimServer, packet: Exclude<Packet, { kind: "message" }>): void;
}

const resendUs = 400_000;
const maxResends = 5;

interface Outgoing {
  readonly sender: SimServer;
  readonly to: NodeId;
  readonly snapshot: SnapshotMeta;
  readonly chunks: readonly Extract<Packet, { kind: "chunk" }>[];
  at: number;
  resends: number;
  /** Ends with the process that sends. */
  readonly isAlive: () => boolean;
}

/** Stop and wait: a chunk goes out again until it is acknowledged, a few times. */
export function createSnapshotStreams(setup: {
  readonly heap: EventHeap;
  readonly chunkRows: number;
  readonly send: (from: NodeId, to: NodeId, packet: Packet) => void;
  readonly note: (server: SimServer, code: string, detail: () => string) => void;
}): SnapshotStreams {
  const { heap, chunkRows, send, note } = setup;
  const outgoing = new Map<number, Outgoing>();
  /** Per receiver and stream. A receiver that restarts has forgotten its chunks and refuses the rest. */
  const incoming = new Map<string, { readonly isAlive: () => boolean; readonly rows: Row[]; next: number }>();
  let streams = 0;

  const end = (stream: number, isSent: boolean): void => {
    const one = outgoing.get(stream);
    outgoing.delete(stream);
    if (one?.isAlive()) one.sender.inform({ type: "snapshot-sent", to: one.to, isSent, index: one.snapshot.index });
  };

  const sendChunk = (stream: number): void => {
    const one = outgoing.get(stream);
    const chunk = one?.chunks[one.at];
    if (one === undefined || chunk === undefined) return;
    if (!one.isAlive()) {
      end(stream, false);
      return;
    }
    if (one.resends > maxResends) {
      end(stream, false);
      return;
    }
    const { at } = one;
    send(one.sender.id, one.to, chunk);
    heap.schedule(resendUs, () => {
      const still = outgoing.get(stream);
      if (still === undefined || still.at !== at) return;
      still.resends += 1;
      sendChunk(stream);
    });
  };

  return {
    start(sender, to, term) {
      streams += 1;
      const stream = streams;
      const image = sender.disk.latest();
      const snapshotTerm = image.termAt(image.appliedIndex) ?? image.first.term;
      const snapshot = { index: image.appliedIndex, term: snapshotTerm, membership: image.membership };
      const rows = image.readRows();
      const of = Math.max(1, Math.ceil(rows.length / chunkRows));
      const chunks = Array.from({ length: of }, (_, at) => {
        const part = rows.slice(at * chunkRows, (at + 1) * chunkRows);
        return { kind: "chunk" as const, stream, at, of, term, snapshot, rows: part, checksum: checksum(part) };
      });
      note(sender, "k", () => `${sender.id} streams its state at ${snapshot.index} to ${to} in ${of} chunks`);
      outgoing.set(stream, { sender, to, snapshot, chunks, at: 0, resends: 0, isAlive: sender.lifetime() });
      sendChunk(stream);
    },
    receive(from, to, packet) {
      if (packet.kind === "chunk-stored") {
        const one = outgoing.get(packet.stream);
        if (one === undefined || one.at !== packet.at) return;
        one.at += 1;
        one.resends = 0;
        if (one.at === one.chunks.length) end(packet.stream, true);
        else sendChunk(packet.stream);
        return;
      }
      if (!to.isUp || packet.checksum !== checksum(packet.rows)) return;
      const key = `${to.id}/${packet.stream}`;
      const known = incoming.get(key);
      const isKnown = known?.isAlive() === true;
      if (!isKnown && packet.at > 0) return;
      const staged = isKnown && known !== undefined ? known : { isAlive: to.lifetime(), rows: [], next: 0 };
      incoming.set(key, staged);
      if (packet.at === staged.next) {
        staged.rows.push(...packet.rows);
        staged.next += 1;
        const { term, snapshot, of } = packet;
        if (staged.next === of) to.stage({ from, term, snapshot, rows: staged.rows });
      }
      send(to.id, from, { kind: "chunk-stored", stream: packet.stream, at: packet.at });
    },
  };
}

function checksum(rows: readonly Row[]): number {
  return hashText(JSON.stringify(rows));
}
