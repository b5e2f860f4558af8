import type { Candidate } from "../balance/least-request.ts";
import { plainHpack } from "../http-door.ts";
import type { ProxyContext } from "../proxy-context.ts";
import type { ConnectResult } from "../transport/transport.ts";
import { EndpointPool } from "../upstream/endpoint-pool.ts";

/** How long an endpoint whose connection attempt failed is passed over while others remain. */
const suspectMs = 1_000;

export interface EndpointOptions {
  readonly address: string;
  readonly weight: number;
  readonly maxConnections: number;
  readonly context: ProxyContext;
  readonly idleTimeoutMs: () => number;
  readonly connectTimeoutMs: () => number;
  /** A connection to `address` stood and was ended before a word of the other side. */
  readonly onUngreeted: (address: string) => void;
  readonly onRoom: (pool: EndpointPool) => void;
  /** Opens a verified mTLS connection to `address`. */
  readonly connect: (address: string, onResult: (result: ConnectResult) => void) => void;
}

/** One instance of a destination: its HTTP pool, its TCP connections and what the balancer wants to know of it. */
export class Endpoint implements Candidate {
  readonly address: string;
  readonly pool: EndpointPool;
  weight: number;
  /** Connections relayed at the moment. */
  tcpConnections = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  readonly #options: EndpointOptions;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.address = options.address;
    this.weight = options.weight;
    const { turn, buffers, clock, limits } = options.context;
    this.pool = new EndpointPool({
      connect: (onResult) => this.connect(onResult),
      protocolOf: ({ alpn }) => (alpn === "h2" ? "http2" : "http1"),
      hpack: plainHpack,
      greetingTimeoutMs: options.connectTimeoutMs,
      onUngreeted: () => options.onUngreeted(this.address),
      isKeptAlive: true,
      turn,
      buffers,
      monotonicMs: clock.monotonicMs,
      maxConnections: options.maxConnections,
      idleTimeoutMs: options.idleTimeoutMs,
      onRoom: options.onRoom,
      limits,
    });
  }

  get activeCount(): number {
    return this.tcpConnections + this.pool.activeCount;
  }

  get isSuspect(): boolean {
    return this.pool.isFailing || this.#options.context.clock.monotonicMs() - this.#failedAtMs < suspectMs;
  }

  connect(onResult: (result: ConnectResult) => void): void {
    this.#options.connect(this.address, (result) => {
      this.#failedAtMs = result.ok ? Number.NEGATIVE_INFINITY : this.#options.context.clock.monotonicMs();
      onResult(result);
    });
  }
}
