import { mustGet } from "../../lib/base/assert.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { InboundConfig } from "../../lib/contract/proxy-config.ts";
import { type Authorizer, compileIntentions } from "../authz/intentions.ts";
import { ConnectionSet } from "../connection-set.ts";
import { HttpPool } from "../http1/pool.ts";
import { PooledUpstream } from "../http1/pooled-upstream.ts";
import { ServerConnection, type ServerContext } from "../http1/server-connection.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { TcpSession } from "../relay/tcp-session.ts";
import { ConnectionCounters } from "../telemetry/connection-counters.ts";
import { HttpCounters } from "../telemetry/http-counters.ts";
import type { Connection, Listener } from "../transport/transport.ts";
import { CallerPolicy } from "./caller-policy.ts";

const maxIdleConnections = 1_024;
const maxCallerSeries = 256;
const appIdleTimeoutMs = 55_000;

/** Where other proxies reach one local service: mTLS and intentions on the mesh side, plain to the application. */
export class InboundListener {
  readonly kind = "inbound";
  readonly counters = new HttpCounters();
  readonly connections = new ConnectionCounters();
  /** Connections accepted by the caller's SPIFFE id; bounded, the rest count as `other`. */
  readonly callers = new Map<string, number>();
  readonly #context: ProxyContext;
  readonly #members = new ConnectionSet<ServerConnection | TcpSession>();
  readonly #http: ServerContext;
  #config: InboundConfig;
  #authorizer: Authorizer;
  #pool: HttpPool;
  #upstream: PooledUpstream;
  #listener: Listener | undefined;
  #isDraining = false;

  constructor(context: ProxyContext, config: InboundConfig) {
    this.#context = context;
    this.#config = config;
    this.#authorizer = compileIntentions(config.intentions);
    this.#pool = this.#createPool();
    this.#upstream = this.#createUpstream();
    this.#http = {
      counters: this.counters,
      connections: this.connections,
      monotonicMs: context.clock.monotonicMs,
      isDraining: () => this.#isDraining,
    };
  }

  get config(): InboundConfig {
    return this.#config;
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
      identity: this.#context.identity(),
      onConnection: (connection) => this.#accept(connection),
      onRefused: (reason) => {
        this.connections.refusals[reason]++;
        if (reason === "closed_early") return;
        this.#context.logger.info("mesh connection refused", { service: this.#config.service, reason });
      },
    });
  }

  /** Takes new settings; the address stays. A caller that lost its permission loses its connections too. */
  update(config: InboundConfig): void {
    const hasMoved = config.app !== this.#config.app;
    this.#config = config;
    this.#authorizer = compileIntentions(config.intentions);
    this.#listener?.setIdentity(this.#context.identity());
    if (hasMoved) {
      this.#pool.close();
      this.#pool = this.#createPool();
      this.#upstream = this.#createUpstream();
    }
    for (const member of this.#members) {
      if (member instanceof TcpSession && !this.#authorizer(member.peerUri).isAllowed) {
        this.connections.refusals.denied++;
        member.destroy();
      }
    }
  }

  drain(): void {
    this.#isDraining = true;
    this.#listener?.close();
    this.#members.drain();
  }

  destroy(): void {
    this.drain();
    this.#members.destroy();
    this.#pool.close();
  }

  sweep(nowMs: number): void {
    this.#members.sweep({ nowMs, idleTimeoutMs: this.#config.idleTimeoutMs });
    this.#pool.sweep(nowMs);
    if (this.#isDraining && this.#members.size === 0) this.#pool.close();
  }

  #accept(connection: Connection): void {
    if (this.#members.size >= this.#config.maxConnections) {
      this.connections.refusals.overflow++;
      connection.destroy();
      return;
    }
    const isHttp = this.#config.protocol === "http";
    const verdict = this.#authorizer(connection.peerUri);
    if (!verdict.isAllowed) {
      this.connections.refusals.denied++;
      this.#context.logger.info("caller denied by intention", {
        service: this.#config.service,
        caller: connection.peerUri,
        rule: verdict.rule,
      });
      // An HTTP caller is told by a 403 for each of its requests; a TCP caller can only be cut off.
      if (!isHttp) {
        connection.destroy();
        return;
      }
    }
    this.connections.opened++;
    this.#countCaller(connection.peerUri);
    this.#members.add(isHttp ? this.#serveHttp(connection) : this.#serveTcp(connection));
  }

  #countCaller(uri: string): void {
    const label = this.callers.has(uri) || this.callers.size < maxCallerSeries ? uri : "other";
    this.callers.set(label, (this.callers.get(label) ?? 0) + 1);
  }

  #serveHttp(connection: Connection): ServerConnection {
    const member: ServerConnection = new ServerConnection({
      connection,
      policy: new CallerPolicy({
        callerUri: connection.peerUri,
        ownUri: this.#context.identity().spiffeUri,
        authorizer: () => this.#authorizer,
        upstream: () => this.#upstream,
      }),
      context: this.#http,
      onClosed: () => this.#onClosed(member),
    });
    return member;
  }

  #serveTcp(connection: Connection): TcpSession {
    const member: TcpSession = new TcpSession({
      client: connection,
      counters: this.connections,
      dial: (onResult) =>
        this.#dialApp((result) => {
          if (!result.ok) this.connections.refusals.connect_failure++;
          onResult(result.ok ? result.connection : undefined);
        }),
      onClosed: () => this.#onClosed(member),
    });
    return member;
  }

  #createPool(): HttpPool {
    return new HttpPool({
      connect: (onResult) => this.#dialApp(onResult),
      maxIdle: maxIdleConnections,
      maxConnections: this.#config.maxConnections,
      idleTimeoutMs: appIdleTimeoutMs,
    });
  }

  #createUpstream(): PooledUpstream {
    const pool = this.#pool;
    return new PooledUpstream({ pick: (tried) => (tried.includes(pool) ? undefined : pool) });
  }

  #dialApp(onResult: Parameters<ProxyContext["transport"]["connect"]>[0]["onResult"]): void {
    const { host, port } = mustGet(parseHostPort(this.#config.app), "addresses are checked when parsed");
    this.#context.transport.connect({ host, port, timeoutMs: this.#config.connectTimeoutMs, onResult });
  }

  #onClosed(member: ServerConnection | TcpSession): void {
    this.connections.closed++;
    this.#members.delete(member);
  }
}
