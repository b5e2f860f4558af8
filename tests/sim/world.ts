import type { Membership, NodeId } from "../../server/raft/core/types.ts";
import { ClusterCheck } from "./checks/cluster-check.ts";
import { createDisk } from "./disk.ts";
import { createEventHeap, type EventHeap } from "./event-heap.ts";
import { createNetwork, type Network } from "./network.ts";
import type { Rng } from "./random.ts";
import { type CreateReplica, SimServer, type ServerWorld } from "./server.ts";
import type { SimOptions } from "./sim-options.ts";
import { createSnapshotStreams, type Packet } from "./snapshot-streams.ts";
import type { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";

const emptyMembership: Membership = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  removed: [],
  addresses: {},
};

const codes: Readonly<Record<string, string>> = {
  append: "a",
  "append-response": "A",
  heartbeat: "h",
  "heartbeat-response": "H",
  vote: "v",
  "vote-response": "V",
  "pre-vote": "p",
  "pre-vote-response": "P",
  snapshot: "n",
  "timeout-now": "t",
};

/** One cluster with its network and disks. Servers join and go; an id is never used twice. */
export class World {
  readonly heap: EventHeap;
  readonly trace: Trace;
  readonly network: Network;
  readonly check: ClusterCheck;
  readonly servers: SimServer[] = [];
  readonly options: SimOptions;
  readonly #rng: Rng;
  readonly #serverWorld: ServerWorld;
  #newest = { appliedIndex: 0, membership: emptyMembership };
  #onAnswer: (server: SimServer) => void = () => {};
  #onLeader: (server: SimServer) => void = () => {};

  constructor(setup: {
    readonly options: SimOptions;
    readonly rng: Rng;
    readonly keys: readonly string[];
    readonly createReplica: CreateReplica;
    readonly createTrace: (nowUs: () => number) => Trace;
  }) {
    const { options, rng } = setup;
    this.options = options;
    this.#rng = rng;
    this.heap = createEventHeap();
    this.trace = setup.createTrace(() => this.heap.nowUs());
    this.check = new ClusterCheck(options, setup.keys);
    this.network = createNetwork({
      heap: this.heap,
      rng: rng.fork("network"),
      options: options.network,
      deliver: (from, to, text) => this.#deliver(from, to, decodePacket(text)),
    });
    const streams = createSnapshotStreams({
      heap: this.heap,
      chunkRows: options.chunkRows,
      send: (from, to, packet) => this.network.send(from, to, JSON.stringify(packet)),
      note: (server, code, detail) => this.trace.note(server.slot, code, detail),
    });
    this.#receiveChunk = streams.receive;
    this.#serverWorld = {
      heap: this.heap,
      rng: rng.fork("servers"),
      trace: this.trace,
      options,
      check: this.check,
      createReplica: setup.createReplica,
      machineKind: options.machine,
      noteStatus: ({ appliedIndex, membership }) => {
        if (appliedIndex > this.#newest.appliedIndex) this.#newest = { appliedIndex, membership };
      },
      send: (message) => this.network.send(message.from, message.to, JSON.stringify({ kind: "message", message })),
      sendSnapshot: (from, to, term) => streams.start(from, to, term),
      onHalt: (server, reason) => this.#halted(server, reason),
      answered: (server) => this.#onAnswer(server),
      elected: (server) => this.#onLeader(server),
    };
  }

  readonly #receiveChunk: ReturnType<typeof createSnapshotStreams>["receive"];

  /** The first servers start with a membership that names them all, as applied state at index 1. */
  bootstrap(): void {
    const ids = Array.from({ length: this.options.servers }, (_, at) => `s${at + 1}`);
    const addresses = Object.fromEntries(ids.map((id) => [id, `${id}:8300`]));
    const membership = { ...emptyMembership, voters: ids, addresses };
    for (const _ of ids) this.#add({ index: 1, term: 1, membership });
    this.#newest = { appliedIndex: 1, membership };
    for (const server of this.servers) server.start();
  }

  /** A server with an empty disk, waiting to be told what it belongs to. */
  join(): SimServer {
    const server = this.#add({ index: 0, term: 0, membership: emptyMembership });
    server.start();
    return server;
  }

  /** The membership applied by the server that is furthest. */
  get membership(): Membership {
    return this.#newest.membership;
  }

  get leader(): SimServer | undefined {
    const leaders = this.servers.filter(({ status }) => status?.role === "leader");
    return leaders.toSorted((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0))[0];
  }

  server(id: NodeId): SimServer | undefined {
    return this.servers.find((server) => server.id === id);
  }

  /** Called when a server has answered that something is done; the answer is on its way then. */
  onAnswer(listener: (server: SimServer) => void): void {
    this.#onAnswer = listener;
  }

  /** Called when a server has begun to lead, before anything that it does as leader has left it. */
  onLeader(listener: (server: SimServer) => void): void {
    this.#onLeader = listener;
  }

  /** Restarts what can be restarted; a damaged disk ends its server for good. */
  start(server: SimServer): void {
    if (server.isUp || server.isGone) return;
    const damage = server.start();
    if (damage !== undefined) server.retire(`refuses to start: ${damage}`);
  }

  #add(seed: { readonly index: number; readonly term: number; readonly membership: Membership }): SimServer {
    const slot = this.servers.length + 1;
    const id = `s${slot}`;
    const disk = createDisk({ heap: this.heap, rng: this.#rng.fork(`disk/${id}`), options: this.options.disk, seed });
    const server = new SimServer(this.#serverWorld, { id, slot, disk, view: this.check.join(id, slot) });
    this.servers.push(server);
    return server;
  }

  #deliver(from: NodeId, to: NodeId, packet: Packet): void {
    const server = this.server(to);
    if (server === undefined || !server.isUp) return;
    if (packet.kind !== "message") {
      this.#receiveChunk(from, server, packet);
      return;
    }
    this.trace.note(server.slot, codes[packet.message.type] ?? "?", () => JSON.stringify(packet.message));
    server.receive(packet.message);
  }

  /** Only a server whose disk was made to fail may stop by itself; its supervisor starts it again. */
  #halted(server: SimServer, reason: string): void {
    if (!server.mayHalt) throw new Violation("no halt", `${server.id} stops itself: ${reason}`);
    server.crash();
    this.heap.schedule(500_000, () => this.start(server));
  }
}

/** What this file encoded. */
function decodePacket(text: string): Packet {
  return JSON.parse(text);
}
