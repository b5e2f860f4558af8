import type { ConnectionCounters } from "../telemetry/connection-counters.ts";
import type { Connection, ConnectionHandler } from "../transport/transport.ts";

export interface RelayOptions {
  /** The side that dialled us; its bytes are counted as read. */
  readonly client: Connection;
  readonly server: Connection;
  readonly counters: ConnectionCounters;
  /** While it is overloaded nothing more is read; see {@link Relay.readOn}. */
  readonly memory: { readonly isOverloaded: boolean };
  /** Called once when both sides are gone. */
  readonly onClosed: () => void;
}

/**
 * Copies bytes both ways between two connections until both have ended: a side that cannot take more pauses its source,
 * one that half-closes half-closes the other, one that breaks breaks the other.
 */
export class Relay {
  readonly #options: RelayOptions;
  /** Passed on so far. */
  toServerBytes = 0;
  toClientBytes = 0;
  #open = 2;
  /** Directions that have not ended. */
  #running = 2;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { client, server, counters } = options;
    const count = (toServer: number, toClient: number): void => {
      this.toServerBytes += toServer;
      this.toClientBytes += toClient;
      counters.readBytes += toServer;
      counters.writeBytes += toClient;
    };
    client.handler = this.#half(client, server, (bytes) => count(bytes, 0));
    server.handler = this.#half(server, client, (bytes) => count(0, bytes));
    if (server.isBlocked) client.pause();
    else client.resume();
    if (client.isBlocked) server.pause();
    else server.resume();
  }

  get lastActivityMs(): number {
    return Math.max(this.#options.client.lastActivityMs, this.#options.server.lastActivityMs);
  }

  /** Reads again what can be passed on. */
  readOn(): void {
    const { client, server } = this.#options;
    if (!server.isBlocked) client.resume();
    if (!client.isBlocked) server.resume();
  }

  /** One side has not taken a byte since before `sinceMs`, though some wait for it. */
  isStalledSince(sinceMs: number): boolean {
    const { client, server } = this.#options;
    return (client.isBlocked && client.lastWrittenMs < sinceMs) || (server.isBlocked && server.lastWrittenMs < sinceMs);
  }

  /** For a client that had half-closed before the relay began. */
  endFromClient(): void {
    this.#options.client.handler.onEnd();
  }

  destroy(): void {
    this.#options.client.destroy();
    this.#options.server.destroy();
  }

  #half(from: Connection, to: Connection, count: (bytes: number) => void): ConnectionHandler {
    return {
      onData: (chunk) => {
        count(chunk.length);
        if (!to.write(chunk) || this.#options.memory.isOverloaded) from.pause();
      },
      onDrain: () => to.resume(),
      onEnd: () => {
        this.#running--;
        to.end();
      },
      onClose: () => {
        // What one side still sends has nowhere to go; after both have ended, what still waits for the other may leave.
        if (this.#running > 0) to.destroy();
        if (--this.#open === 0) this.#options.onClosed();
      },
    };
  }
}
