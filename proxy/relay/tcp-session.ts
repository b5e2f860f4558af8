import type { BufferedMemory } from "../buffered-memory.ts";
import type { Member, SweepLimits } from "../connection-set.ts";
import type { UpstreamFailure } from "../exchange/ends.ts";
import type { ConnectionObserver, Observation } from "../exchange/observation.ts";
import type { ConnectionCounters } from "../telemetry/connection-counters.ts";
import { keep } from "../../lib/base/received-memory.ts";
import type { Connection } from "../transport/transport.ts";
import { Relay } from "./relay.ts";

export interface TcpSessionOptions {
  readonly client: Connection;
  readonly counters: ConnectionCounters;
  readonly memory: BufferedMemory;
  /** While memory is short, a side that takes nothing for so long is given up. */
  readonly stalledReadMs: () => number;
  /** Dials the other side, or says why there is none to be had. Answers once, later. */
  readonly dial: (onResult: (server: Connection | UpstreamFailure) => void) => void;
  /** What it dials, for those who watch. */
  readonly cluster: string;
  /** Who wants to know of it, if anybody does now. */
  readonly observer: ConnectionObserver | undefined;
  readonly monotonicMs: () => number;
  readonly onClosed: () => void;
}

/** One `tcp` connection: accepted, then dialled on at once (a server may speak first), then relayed until both sides end. */
export class TcpSession implements Member {
  /** Peer's SPIFFE URI, for a later change of intentions. */
  readonly peerUri: string;
  readonly #client: Connection;
  readonly #options: TcpSessionOptions;
  #relay: Relay | undefined;
  #early: Buffer[] = [];
  #hasClientEnded = false;
  #isClosed = false;
  readonly #observed: Observation | undefined;

  constructor(options: TcpSessionOptions) {
    this.#options = options;
    this.#client = options.client;
    this.peerUri = options.client.peerUri;
    this.#observed = options.observer?.beginConnection(options.client, options.monotonicMs());
    if (this.#observed !== undefined) this.#observed.cluster = options.cluster;
    options.client.handler = {
      onData: (chunk) => {
        this.#early.push(keep(chunk));
        options.memory.heldBytes += chunk.length;
        options.client.pause();
      },
      onDrain: () => undefined,
      onEnd: () => {
        this.#hasClientEnded = true;
      },
      onClose: () => this.#close(),
    };
    options.client.pause();
    options.dial((server) => this.#onDialled(server));
  }

  /** A relayed connection has no moment at which ending it loses nothing: it is left until the drain's deadline. */
  drain(): void {
    // The deadline ends it.
  }

  destroy(): void {
    if (this.#relay !== undefined) this.#relay.destroy();
    else this.#client.destroy();
  }

  sweep(limits: SweepLimits): void {
    const { counters, memory, stalledReadMs } = this.#options;
    const lastMs = this.#relay?.lastActivityMs ?? this.#client.lastActivityMs;
    if (limits.nowMs - lastMs > limits.idleTimeoutMs) {
      counters.closures.idle++;
      this.destroy();
    } else if (!memory.isOverloaded) this.#relay?.readOn();
    else if (this.#relay?.isStalledSince(limits.nowMs - stalledReadMs()) === true) {
      counters.closures.stalled_reader++;
      this.destroy();
    }
  }

  #onDialled(server: Connection | UpstreamFailure): void {
    if (typeof server === "string") {
      if (this.#observed !== undefined) this.#observed.refusal = server;
      this.#client.destroy();
      return;
    }
    if (this.#observed !== undefined) this.#observed.endpoint = server.remoteAddress;
    if (this.#isClosed) {
      server.destroy();
      return;
    }
    for (const chunk of this.#early) {
      this.#options.counters.readBytes += chunk.length;
      if (this.#observed !== undefined) this.#observed.requestBytes += chunk.length;
      server.write(chunk);
    }
    this.#dropEarly();
    this.#relay = new Relay({
      client: this.#client,
      server,
      counters: this.#options.counters,
      memory: this.#options.memory,
      onClosed: () => this.#close(),
    });
    if (this.#hasClientEnded) this.#relay.endFromClient();
  }

  #dropEarly(): void {
    for (const chunk of this.#early) this.#options.memory.heldBytes -= chunk.length;
    this.#early = [];
  }

  #tell(): void {
    const observed = this.#observed;
    if (observed === undefined) return;
    observed.requestBytes += this.#relay?.toServerBytes ?? 0;
    observed.responseBytes = this.#relay?.toClientBytes ?? 0;
    this.#options.observer?.endedConnection(observed);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#dropEarly();
    this.#tell();
    this.#options.onClosed();
  }
}
