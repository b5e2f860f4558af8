import { mustGet } from "../lib/base/assert.ts";
import { parseHostPort } from "../lib/contract/address.ts";
import { ConnectionSet, type Member } from "./connection-set.ts";
import type { Protocol } from "../lib/contract/config-entries.ts";
import { Deadlines } from "./exchange/deadlines.ts";
import type { RequestRules } from "./message/request-rules.ts";
import type { ServerContext } from "./exchange/server-context.ts";
import { GrpcWebUpstream } from "./grpc-web/upstream.ts";
import type { ProxyContext } from "./proxy-context.ts";
import { ConnectionCounters } from "./telemetry/connection-counters.ts";
import { HttpCounters } from "./telemetry/http-counters.ts";
import type { Connection, HandshakeRefusal, Listener } from "./transport/transport.ts";

export interface ServingOptions<T extends Member> {
  readonly context: ProxyContext;
  /** The settings as they are now; the address is read when listening only. */
  readonly settings: () => {
    readonly listen: string;
    readonly service: string;
    readonly maxConnections: number;
    readonly idleTimeoutMs: number;
    readonly streamIdleTimeoutMs: number;
    readonly requestRules: RequestRules;
    readonly protocol: Protocol;
    readonly grpcWeb: boolean;
  };
  /** Whether callers must show a certificate that our identity trusts. */
  readonly isMutualTls: boolean;
  /** Protocols offered in TLS handshakes. */
  readonly alpn?: readonly string[];
  /** Takes a connection over; undefined when it was turned away. `onClosed` is to be called when its work is over. */
  readonly serve: (connection: Connection, onClosed: () => void) => T | undefined;
  readonly onRefused: (reason: HandshakeRefusal) => void;
  /** The last connection of a draining listener has ended. */
  readonly onIdle: () => void;
}

/** What both sides of a proxy do alike: one address, its open connections with their bounds, counters, draining. */
export class Serving<T extends Member> {
  readonly counters = new HttpCounters();
  readonly connections = new ConnectionCounters();
  readonly members = new ConnectionSet<T>();
  readonly http: ServerContext;
  readonly #options: ServingOptions<T>;
  #listener: Listener | undefined;
  readonly #deadlines: Deadlines;
  #isDraining = false;

  constructor(options: ServingOptions<T>) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.context.clock);
    this.http = {
      counters: this.counters,
      deadlines: this.#deadlines,
      rules: () => options.settings().requestRules,
      forGrpcWeb: (upstream) => {
        const { protocol, grpcWeb } = options.settings();
        return protocol === "grpc" && grpcWeb ? new GrpcWebUpstream(upstream) : upstream;
      },
      connections: this.connections,
      monotonicMs: options.context.clock.monotonicMs,
      turn: options.context.turn,
      buffers: options.context.buffers,
      defaultAuthority: options.settings().service,
      isDraining: () => this.#isDraining,
    };
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Throws when the address cannot be bound. */
  listen(): void {
    const { context, isMutualTls, settings, alpn } = this.#options;
    const { host, port } = mustGet(parseHostPort(settings().listen), "addresses are checked when parsed");
    this.#listener = context.transport.listen({
      host,
      port,
      ...(isMutualTls ? { identity: context.identity() } : {}),
      ...(alpn === undefined ? {} : { alpn }),
      onConnection: (connection) => this.#accept(connection),
      onRefused: (reason) => {
        this.connections.refusals[reason]++;
        this.#options.onRefused(reason);
      },
    });
  }

  /** New handshakes use the identity that is now in force. */
  refreshIdentity(): void {
    if (this.#options.isMutualTls) this.#listener?.setIdentity(this.#options.context.identity());
  }

  drain(): void {
    this.#isDraining = true;
    this.#listener?.close();
    this.members.drain();
  }

  destroy(): void {
    this.drain();
    this.members.destroy();
    this.#deadlines.stop();
    this.#options.onIdle();
  }

  sweep(nowMs: number): void {
    const { idleTimeoutMs, streamIdleTimeoutMs } = this.#options.settings();
    this.members.sweep({ nowMs, idleTimeoutMs, streamIdleTimeoutMs });
    if (this.#isDraining && this.members.size === 0) this.#options.onIdle();
  }

  #accept(connection: Connection): void {
    if (this.members.size >= this.#options.settings().maxConnections) {
      this.connections.refusals.overflow++;
      connection.destroy();
      return;
    }
    const member = this.#options.serve(connection, () => {
      this.connections.closed++;
      if (member !== undefined) this.members.delete(member);
    });
    if (member === undefined) return;
    this.connections.opened++;
    this.members.add(member);
  }
}
