import { connect, createServer, type Server, type Socket } from "node:net";
import type { HostPort } from "../../lib/contract/address.ts";
import { Pump } from "./pump.ts";

/** A server as the others see it: they dial `advertised`, it listens on `bound`. */
export interface LinkEnd {
  readonly name: string;
  readonly advertised: string;
  readonly bound: string;
  readonly port: number;
}

/** Names the server that holds the socket from `local` to `remote`; a caller that is none of them is never held up. */
type OwnerOf = (local: HostPort, remote: HostPort) => string | undefined;

/**
 * Stands between servers without privileges: each one advertises a loopback address of its own on which a proxy of ours
 * listens. Bytes flow per direction and per pair of servers, so that a network can be broken one way: what is held is
 * neither delivered nor refused, as with lost packets.
 */
export class LinkProxies {
  readonly #listeners: Server[] = [];
  readonly #connections = new Set<Connection>();
  readonly #held = new Set<string>();
  readonly #ownerOf: OwnerOf;
  #delayMs = 0;

  private constructor(ownerOf: OwnerOf) {
    this.#ownerOf = ownerOf;
  }

  static async start(ends: readonly LinkEnd[], ownerOf: OwnerOf): Promise<LinkProxies> {
    const proxies = new LinkProxies(ownerOf);
    for (const end of ends) await proxies.#listen(end);
    return proxies;
  }

  /** Holds back everything that `from` sends to `to`, on connections of either. */
  hold(from: string, to: string): void {
    this.#held.add(directionOf(from, to));
    this.#update();
  }

  /** Delivers everything that was held, at once, and everything from now on without delay. */
  heal(): void {
    this.#held.clear();
    this.#delayMs = 0;
    this.#update();
  }

  /** Delivers every byte so much later. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
    this.#update();
  }

  /** Ends all connections between servers; how many there were. */
  cut(): number {
    const count = this.#connections.size;
    for (const connection of this.#connections) connection.destroy();
    return count;
  }

  /** Connections between two servers that are open now. */
  count(): number {
    return [...this.#connections].filter(({ isBetweenServers }) => isBetweenServers).length;
  }

  async close(): Promise<void> {
    this.cut();
    await Promise.all(this.#listeners.map((server) => new Promise((done) => server.close(done))));
  }

  async #listen(end: LinkEnd): Promise<void> {
    const server = createServer((caller) => this.#accept(end, caller));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(end.port, end.advertised, resolve);
    });
    this.#listeners.push(server);
  }

  #accept(end: LinkEnd, caller: Socket): void {
    const from = this.#callerOf(end, caller);
    const callee = connect(end.port, end.bound);
    const connection: Connection = {
      isBetweenServers: from !== "",
      pumps: [
        new Pump({ direction: directionOf(from, end.name), source: caller, sink: callee }),
        new Pump({ direction: directionOf(end.name, from), source: callee, sink: caller }),
      ],
      destroy: () => {
        caller.destroy();
        callee.destroy();
      },
    };
    this.#connections.add(connection);
    for (const socket of [caller, callee]) {
      socket.setNoDelay(true);
      socket.on("error", () => connection.destroy());
      socket.on("close", () => {
        connection.destroy();
        this.#connections.delete(connection);
      });
    }
    this.#updateOne(connection);
  }

  #callerOf({ advertised, port }: LinkEnd, caller: Socket): string {
    const { remoteAddress, remotePort } = caller;
    // It has hung up already.
    if (remoteAddress === undefined || remotePort === undefined) return "";
    return this.#ownerOf({ host: remoteAddress, port: remotePort }, { host: advertised, port }) ?? "";
  }

  #update(): void {
    for (const connection of this.#connections) this.#updateOne(connection);
  }

  #updateOne(connection: Connection): void {
    for (const pump of connection.pumps) {
      pump.set({ isHeld: this.#held.has(pump.direction), delayMs: this.#delayMs });
    }
  }
}

interface Connection {
  readonly isBetweenServers: boolean;
  readonly pumps: readonly Pump[];
  readonly destroy: () => void;
}

function directionOf(from: string, to: string): string {
  return `${from}>${to}`;
}
