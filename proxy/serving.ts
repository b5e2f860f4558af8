import { mustGet } from "../lib/base/assert.ts";
import { parseHostPort } from "../lib/contract/address.ts";
import { BufferedMemory } from "./buffered-memory.ts";
import { ConnectionSet, type Member } from "./connection-set.ts";
import type { Protocol } from "../lib/contract/config-entries.ts";
import { Deadlines } from "./exchange/deadlines.ts";
import type { ExchangeObserver } from "./exchange/observation.ts";
import type { RequestRules } from "./message/request-rules.ts";
import type { Seat, ServerContext } from "./exchange/server-context.ts";
import { GrpcWebUpstream } from "./grpc-web/upstream.ts";
import type { ProxyContext } from "./proxy-context.ts";
import { ConnectionCounters } from "./telemetry/connection-counters.ts";
import { HttpCounters } from "./telemetry/http-counters.ts";
import { type SourceCount, SourceCounts } from "./source-counts.ts";
import type { Connection, HandshakeRefusal, Listener, TlsIdentity } from "./transport/transport.ts";

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
  /** Only one process of the proxy listens there. */
  readonly isAlone?: boolean;
  /** Protocols offered in TLS handshakes, by the settings as they are now; none when absent or empty. */
  readonly alpn?: () => readonly string[];
  /** Takes a connection over, which leaves its seat when its work is over; undefined when it was turned away. */
  readonly serve: (connection: Connection, seat: Seat) => T | undefined;
  /** Whether the rate of connections leaves room for one more, which then is counted. */
  readonly takeConnection?: () => boolean;
  readonly onRefused: (reason: HandshakeRefusal) => void;
  /** Who watches its exchanges, if anybody does now. */
  readonly observer?: () => ExchangeObserver | undefined;
  /** Serves also when the proxy is short of memory or one source has many connections, as the admin address does. */
  readonly isAlwaysServed?: boolean;
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
  readonly #sources = new SourceCounts();
  #listener: Listener | undefined;
  readonly #deadlines: Deadlines;
  #handshake: { readonly identity: TlsIdentity; readonly alpn: readonly string[] } | undefined;
  #isDraining = false;
  /** When the connections that are left are ended. */
  #deadlineMs = Number.POSITIVE_INFINITY;

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
      random: () => options.context.random.float(),
      turn: options.context.turn,
      buffers: options.context.buffers,
      limits: options.context.limits,
      memory: options.isAlwaysServed === true ? neverOverloaded() : options.context.memory,
      defaultAuthority: options.settings().service,
      isDraining: () => this.#isDraining,
      get observer() {
        return options.observer?.();
      },
    };
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Nothing is left: the listener is closed and its last connection has ended. */
  get isOver(): boolean {
    return this.members.size === 0 && this.#listener?.isClosed !== false;
  }

  /** Whether another process listens on the address as well. */
  get isShared(): boolean {
    return this.#listener?.isShared === true;
  }

  /** Throws when the address cannot be bound. */
  listen(): void {
    const { context, isMutualTls, settings } = this.#options;
    const { listen } = settings();
    const { host, port } = mustGet(parseHostPort(listen), "addresses are checked when parsed");
    this.#listener = context.transport.listen({
      host,
      port: context.chosenPort(listen) ?? port,
      sharing: context.sharing(),
      processes: this.#options.isAlone === true ? 1 : context.processes,
      ...(isMutualTls ? { identity: context.identity(), handshakes: () => context.limits().handshakes } : {}),
      alpn: this.#alpn,
      onConnection: (connection) => this.#accept(connection),
      onRefused: (reason) => {
        this.connections.refusals[reason]++;
        this.#options.onRefused(reason);
      },
    });
  }

  /** New handshakes use the identity and the protocols that are now in force. */
  refreshHandshakes(): void {
    if (!this.#options.isMutualTls) return;
    const identity = this.#options.context.identity();
    const alpn = this.#alpn;
    if (identity === this.#handshake?.identity && alpn.join() === this.#handshake.alpn.join()) return;
    this.#handshake = { identity, alpn };
    this.#listener?.setHandshake(identity, alpn);
  }

  /**
   * Stops accepting. What has no request under way ends soon, the rest when it is done or after `timeoutMs`. Connections that had come
   * before are still served.
   */
  drain(timeoutMs: number): void {
    this.#deadlineMs = Math.min(this.#deadlineMs, this.#options.context.clock.monotonicMs() + timeoutMs);
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#listener?.close();
    this.members.drain();
  }

  destroy(): void {
    this.drain(0);
    this.members.destroy();
    this.#deadlines.stop();
    this.#options.onIdle();
  }

  sweep(nowMs: number): void {
    const { idleTimeoutMs, streamIdleTimeoutMs } = this.#options.settings();
    if (nowMs >= this.#deadlineMs) this.members.destroy();
    else this.members.sweep({ nowMs, idleTimeoutMs, streamIdleTimeoutMs });
    if (this.#isDraining && this.isOver) this.#options.onIdle();
  }

  get #alpn(): readonly string[] {
    return this.#options.alpn?.() ?? [];
  }

  #accept(connection: Connection): void {
    const source = this.#admit(connection);
    if (typeof source === "string") {
      this.connections.refusals[source]++;
      connection.destroy();
      return;
    }
    const place = new Place(source, this);
    const member = this.#options.serve(connection, place);
    if (member === undefined) {
      this.#sources.leave(source);
      return;
    }
    place.member = member;
    this.connections.opened++;
    this.members.add(member);
  }

  release({ source, member }: Place<T>): void {
    this.connections.closed++;
    this.#sources.leave(source);
    if (member !== undefined) this.members.delete(member);
  }

  /** Counts a connection of its source, or says why there can be none. */
  #admit(connection: Connection): SourceCount | "overload" | "overflow" | "source_limit" | "rate_limited" {
    const { context, settings, isAlwaysServed, takeConnection } = this.#options;
    if (this.http.memory.isOverloaded) return "overload";
    if (this.members.size >= settings().maxConnections) return "overflow";
    if (takeConnection?.() === false) return "rate_limited";
    const maxPerSource = isAlwaysServed === true ? Number.POSITIVE_INFINITY : context.limits().connections.maxPerSource;
    return this.#sources.enter(sourceOf(connection), maxPerSource) ?? "source_limit";
  }
}

class Place<T extends Member> implements Seat {
  readonly source: SourceCount;
  member: T | undefined;
  readonly #serving: Serving<T>;

  constructor(source: SourceCount, serving: Serving<T>) {
    this.source = source;
    this.#serving = serving;
  }

  leave(): void {
    this.#serving.release(this);
  }
}

/** A caller that has proven who it is counts as one wherever it calls from; anybody else is an address. */
function sourceOf({ peerUri, remoteAddress }: Connection): string {
  return peerUri === "" ? remoteAddress.slice(0, remoteAddress.lastIndexOf(":")) : peerUri;
}

function neverOverloaded(): BufferedMemory {
  return new BufferedMemory({ waiting: nothing, lent: nothing, maxBytes: () => Number.POSITIVE_INFINITY });
}

const nothing = { waitingBytes: 0, lentBytes: 0 } as const;
