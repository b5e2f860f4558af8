import { mustGet } from "../../lib/base/assert.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { OutboundConfig } from "../../lib/contract/proxy-config.ts";
import { compileSpiffePattern, parseSpiffeId } from "../../lib/contract/spiffe.ts";
import type { Member } from "../connection-set.ts";
import { editedForHop, type HopEdit } from "../exchange/edit-head.ts";
import type { RequestPolicy } from "../exchange/policy.ts";
import { serveHttp } from "../http-door.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { TcpSession } from "../relay/tcp-session.ts";
import { Serving } from "../serving.ts";
import type { Connection, ConnectResult } from "../transport/transport.ts";
import { PooledUpstream } from "../upstream/pooled-upstream.ts";
import type { Endpoint } from "./endpoint.ts";
import { Endpoints } from "./endpoints.ts";

/** What we would like to speak with another proxy. */
const meshProtocols = ["h2", "http/1.1"] as const;
const maxDialAttempts = 3;
const noClientCert: HopEdit = { rule: "sanitize", element: "", tellsProto: false };

/** Where the applications of this host reach one destination: plain on our side, mTLS to the destination's proxies. */
export class OutboundListener {
  readonly kind = "outbound";
  readonly serving: Serving<Member>;
  /** Failed attempts to reach an endpoint, by reason. */
  readonly connectFailures = new Map<string, number>();
  readonly #context: ProxyContext;
  readonly #endpoints: Endpoints;
  readonly #upstream: PooledUpstream;
  readonly #policy: RequestPolicy;
  #config: OutboundConfig;
  #isExpectedPeer: (uri: string) => boolean = () => false;

  constructor(context: ProxyContext, config: OutboundConfig) {
    this.#context = context;
    this.#config = config;
    this.#endpoints = new Endpoints(
      {
        context,
        idleTimeoutMs: () => this.#config.upstreamIdleTimeoutMs,
        connectTimeoutMs: () => this.#config.connectTimeoutMs,
        onUngreeted: (address) =>
          this.#countFailure(address, { ok: false, reason: "closed_early", message: "ended before its first words" }),
        onRoom: (pool) => this.#upstream.serve(pool),
        connect: (address, onResult) => this.#connect(address, onResult),
      },
      () => context.random.float(),
    );
    const upstream = new PooledUpstream({
      picker: this.#endpoints,
      monotonicMs: context.clock.monotonicMs,
      waitTimeoutMs: () => this.#config.connectTimeoutMs,
    });
    this.#upstream = upstream;
    // An application on this host is not asked who it is, so whom it claims to speak for is not passed on.
    this.#policy = {
      decide: (head) => ({ action: "forward", upstream, head: editedForHop(head, noClientCert) }),
    };
    this.serving = new Serving({
      context,
      settings: () => this.#config,
      isMutualTls: false,
      serve: (connection, onClosed) =>
        this.#config.protocol === "tcp"
          ? this.#serveTcp(connection, onClosed)
          : serveHttp({ connection, policy: this.#policy, context: this.serving.http, onClosed }),
      onRefused: () => undefined,
      onIdle: () => this.#endpoints.close(),
    });
    this.update(config);
  }

  get config(): OutboundConfig {
    return this.#config;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints.list;
  }

  /** Takes new settings; the address stays. Connections that stand are kept. */
  update(config: OutboundConfig): void {
    this.#config = config;
    const trustDomain = parseSpiffeId(this.#context.identity().spiffeUri)?.trustDomain ?? "";
    const pattern = config.peerIdentity ?? `spiffe://${trustDomain}/ns/default/dc/*/svc/${config.service}`;
    this.#isExpectedPeer = mustGet(compileSpiffePattern(pattern), "peer patterns are checked when parsed");
    this.#endpoints.update(config);
    this.#upstream.refresh();
  }

  sweep(nowMs: number): void {
    this.serving.sweep(nowMs);
    this.#endpoints.sweep(nowMs);
    this.#upstream.sweep(nowMs);
  }

  #serveTcp(client: Connection, onClosed: () => void): Member {
    let relayedTo: Endpoint | undefined;
    return new TcpSession({
      client,
      counters: this.serving.connections,
      memory: this.#context.memory,
      stalledReadMs: () => this.#context.limits().http1.stalledReadMs,
      dial: (onResult) =>
        this.#dial(new Set(), onResult, (endpoint) => {
          endpoint.tcpConnections++;
          relayedTo = endpoint;
        }),
      onClosed: () => {
        if (relayedTo !== undefined) relayedTo.tcpConnections--;
        onClosed();
      },
    });
  }

  #dial(
    tried: ReadonlySet<Endpoint>,
    onResult: (server: Connection | undefined) => void,
    onChosen: (endpoint: Endpoint) => void,
  ): void {
    const endpoint = tried.size < maxDialAttempts ? this.#endpoints.pickEndpoint(tried) : undefined;
    if (endpoint === undefined) {
      this.serving.connections.refusals[tried.size === 0 ? "no_healthy_upstream" : "connect_failure"]++;
      // The caller is still being built: its answer comes in the next turn.
      queueMicrotask(() => onResult(undefined));
      return;
    }
    endpoint.connect((result) => {
      if (!result.ok) {
        this.#dial(new Set([...tried, endpoint]), onResult, onChosen);
        return;
      }
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
        ...(this.#config.protocol === "tcp" ? {} : { alpn: meshProtocols }),
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
}
