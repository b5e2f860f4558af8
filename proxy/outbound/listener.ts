import { parseHostPort } from "../../lib/contract/address.ts";
import { mustGet } from "../../lib/base/assert.ts";
import type { OutboundConfig } from "../../lib/contract/proxy-config.ts";
import { compileSpiffePattern, parseSpiffeId } from "../../lib/contract/spiffe.ts";
import { ConnectionSet, type Member } from "../connection-set.ts";
import type { Decision, RequestPolicy } from "../http1/exchange.ts";
import { PooledUpstream } from "../http1/pooled-upstream.ts";
import { ServerConnection, type ServerContext } from "../http1/server-connection.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { TcpSession } from "../relay/tcp-session.ts";
import { ConnectionCounters } from "../telemetry/connection-counters.ts";
import { HttpCounters } from "../telemetry/http-counters.ts";
import type { Connection, ConnectResult, Listener } from "../transport/transport.ts";
import type { Endpoint } from "./endpoint.ts";
import { Endpoints } from "./endpoints.ts";

const noBytes = new Uint8Array(0);
const maxDialAttempts = 3;

/** Where the applications of this host reach one destination: plain on our side, mTLS to the destination's proxies. */
export class OutboundListener {
  readonly kind = "outbound";
  readonly counters = new HttpCounters();
  readonly connections = new ConnectionCounters();
  /** Failed attempts to reach an endpoint, by reason. */
  readonly connectFailures = new Map<string, number>();
  readonly #context: ProxyContext;
  readonly #members = new ConnectionSet<Member>();
  readonly #endpoints: Endpoints;
  readonly #http: ServerContext;
  readonly #policy: RequestPolicy;
  #config: OutboundConfig;
  #isExpectedPeer: (uri: string) => boolean = () => false;
  #listener: Listener | undefined;
  #isDraining = false;

  constructor(context: ProxyContext, config: OutboundConfig) {
    this.#context = context;
    this.#config = config;
    const { monotonicMs } = context.clock;
    this.#endpoints = new Endpoints(
      { monotonicMs, connect: (address, onResult) => this.#connect(address, onResult) },
      () => context.random.float(),
    );
    const decision: Decision = { action: "forward", upstream: new PooledUpstream(this.#endpoints), addition: noBytes };
    this.#policy = { decide: () => decision };
    this.#http = {
      counters: this.counters,
      connections: this.connections,
      monotonicMs,
      isDraining: () => this.#isDraining,
    };
    this.update(config);
  }

  get config(): OutboundConfig {
    return this.#config;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints.list;
  }

  get openConnections(): number {
    return this.#members.size;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Throws when the address cannot be bound. */
  listen(): void {
    const { host, port } = mustGet(parseHostPort(this.#config.listen), "addresses are checked when parsed");
    this.#listener = this.#context.transport.listen({
      host,
      port,
      onConnection: (connection) => this.#accept(connection),
      onRefused: (reason) => this.connections.refusals[reason]++,
    });
  }

  /** Takes new settings; the address stays. Connections that stand are kept. */
  update(config: OutboundConfig): void {
    this.#config = config;
    const trustDomain = parseSpiffeId(this.#context.identity().spiffeUri)?.trustDomain ?? "";
    const pattern = config.peerIdentity ?? `spiffe://${trustDomain}/ns/default/dc/*/svc/${config.service}`;
    this.#isExpectedPeer = mustGet(compileSpiffePattern(pattern), "peer patterns are checked when parsed");
    this.#endpoints.update(config);
  }

  drain(): void {
    this.#isDraining = true;
    this.#listener?.close();
    this.#members.drain();
  }

  destroy(): void {
    this.drain();
    this.#members.destroy();
    this.#endpoints.close();
  }

  sweep(nowMs: number): void {
    this.#members.sweep({ nowMs, idleTimeoutMs: this.#config.idleTimeoutMs });
    this.#endpoints.sweep(nowMs);
    if (this.#isDraining && this.#members.size === 0) this.#endpoints.close();
  }

  #accept(connection: Connection): void {
    if (this.#members.size >= this.#config.maxConnections) {
      this.connections.refusals.overflow++;
      connection.destroy();
      return;
    }
    this.connections.opened++;
    const member = this.#config.protocol === "http" ? this.#serveHttp(connection) : this.#serveTcp(connection);
    this.#members.add(member);
  }

  #serveHttp(connection: Connection): Member {
    const member: ServerConnection = new ServerConnection({
      connection,
      policy: this.#policy,
      context: this.#http,
      onClosed: () => this.#onClosed(member),
    });
    return member;
  }

  #serveTcp(connection: Connection): Member {
    const member: TcpSession = new TcpSession({
      client: connection,
      counters: this.connections,
      dial: (onResult) => this.#dial(new Set(), onResult, (endpoint) => this.#relayed.set(member, endpoint)),
      onClosed: () => {
        const endpoint = this.#relayed.get(member);
        if (endpoint !== undefined) endpoint.tcpConnections--;
        this.#relayed.delete(member);
        this.#onClosed(member);
      },
    });
    return member;
  }

  /** Which endpoint a relayed connection counts against. */
  readonly #relayed = new Map<Member, Endpoint>();

  #dial(
    tried: ReadonlySet<Endpoint>,
    onResult: (server: Connection | undefined) => void,
    onChosen: (endpoint: Endpoint) => void,
  ): void {
    const endpoint = tried.size < maxDialAttempts ? this.#endpoints.pickEndpoint(tried) : undefined;
    if (endpoint === undefined) {
      this.connections.refusals[tried.size === 0 ? "no_healthy_upstream" : "connect_failure"]++;
      // The caller is still being built: its answer comes in the next turn.
      queueMicrotask(() => onResult(undefined));
      return;
    }
    endpoint.connect((result) => {
      if (!result.ok) {
        this.#dial(new Set([...tried, endpoint]), onResult, onChosen);
        return;
      }
      endpoint.tcpConnections++;
      onChosen(endpoint);
      onResult(result.connection);
    });
  }

  #connect(address: string, onResult: (result: ConnectResult) => void): void {
    const { host, port } = mustGet(parseHostPort(address), "addresses are checked when parsed");
    this.#context.transport.connect({
      host,
      port,
      timeoutMs: this.#config.connectTimeoutMs,
      tls: {
        identity: this.#context.identity(),
        serverName: this.#config.serverName ?? this.#config.service,
        isExpectedPeer: this.#isExpectedPeer,
      },
      onResult: (result) => {
        if (!result.ok) this.#countFailure(address, result);
        onResult(result);
      },
    });
  }

  #countFailure(address: string, result: Extract<ConnectResult, { ok: false }>): void {
    this.connectFailures.set(result.reason, (this.connectFailures.get(result.reason) ?? 0) + 1);
    this.#context.logger.debug("cannot reach an endpoint", {
      service: this.#config.service,
      endpoint: address,
      reason: result.reason,
      error: result.message,
    });
  }

  #onClosed(member: Member): void {
    this.connections.closed++;
    this.#members.delete(member);
  }
}
