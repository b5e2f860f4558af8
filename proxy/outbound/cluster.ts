import { mustGet } from "../../lib/base/assert.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { Protocol } from "../../lib/contract/config-entries.ts";
import type { ClusterConfig, OutboundConfig } from "../../lib/contract/proxy-config.ts";
import { parseSpiffeId } from "../../lib/contract/spiffe.ts";
import { AdaptiveLimit } from "../concurrency/adaptive-limit.ts";
import { connectionHash, hostOf, requestHash } from "../balance/request-hash.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { RetryBudget } from "../resilience/retry-budget.ts";
import type { Connection, ConnectResult } from "../transport/transport.ts";
import { RequestLimit } from "../upstream/limited-request.ts";
import { PooledUpstream } from "../upstream/pooled-upstream.ts";
import { ClusterHealth } from "./cluster-health.ts";
import type { Endpoint } from "./endpoint.ts";
import { Endpoints } from "./endpoints.ts";
import { createPeers } from "./peer.ts";

/** What we would like to speak with another proxy. */
const meshProtocols = ["h2", "http/1.1"] as const;
const maxDialAttempts = 3;

/** A cluster's settings, with what its listener says for all of them. */
export interface ClusterSettings extends ClusterConfig {
  readonly service: string;
  readonly protocol: Protocol;
}

/** The cluster that a listener has without naming one, then those it names. */
export function clusterSettings(outbound: OutboundConfig): [ClusterSettings, ...ClusterSettings[]] {
  const { protocol } = outbound;
  return [
    { ...outbound, name: outbound.service },
    ...outbound.clusters.map((cluster) => ({ ...cluster, service: cluster.service ?? cluster.name, protocol })),
  ];
}

/** One destination: its endpoints with their connections, and how a request or a TCP connection gets to one of them over mTLS. */
export class Cluster {
  /** Where requests go. */
  readonly upstream: PooledUpstream;
  /** Failed attempts to reach an endpoint, by reason. */
  readonly connectFailures = new Map<string, number>();
  readonly retryBudget: RetryBudget;
  readonly health: ClusterHealth;
  readonly #limit: RequestLimit;
  readonly concurrency: AdaptiveLimit;
  readonly #context: ProxyContext;
  readonly #endpoints: Endpoints;
  #settings: ClusterSettings;

  constructor(context: ProxyContext, settings: ClusterSettings) {
    this.#context = context;
    this.#settings = settings;
    this.retryBudget = new RetryBudget(context.clock.monotonicMs);
    this.#limit = new RequestLimit(() => this.#settings.maxRequests);
    this.health = new ClusterHealth({
      clock: context.clock,
      random: () => context.random.float(),
      logger: context.logger,
      cluster: () => this.name,
      host: () => this.#settings.service,
    });
    this.concurrency = new AdaptiveLimit(context, settings.adaptiveConcurrency);
    this.#endpoints = new Endpoints(
      {
        context,
        idleTimeoutMs: () => this.#settings.upstreamIdleTimeoutMs,
        connectTimeoutMs: () => this.#settings.connectTimeoutMs,
        onUngreeted: (address) =>
          this.#countFailure(address, { ok: false, reason: "closed_early", message: "ended before its first words" }),
        onRoom: (pool) => this.upstream.serve(pool),
        connect: (endpoint, onResult, isCheck) => this.#connect(endpoint, onResult, isCheck),
      },
      this.health,
      () => context.random.float(),
    );
    this.upstream = new PooledUpstream({
      picker: this.#endpoints,
      monotonicMs: context.clock.monotonicMs,
      waitTimeoutMs: () => this.#settings.connectTimeoutMs,
      maxWaiting: () => this.#settings.maxPendingRequests,
      limit: this.#limit,
      hashOf: (head, address) => this.#hashOf(head, address),
    });
    this.update(settings);
  }

  get name(): string {
    return this.#settings.name;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints.list;
  }

  /** Requests that were refused, by the limit that they met. */
  get overflows(): { readonly requests: number; readonly pending: number } {
    return { requests: this.#limit.overflows, pending: this.upstream.overflows };
  }

  /** Whether there are any to tell of: the limit of those that wait is there in any case. */
  get hasLimit(): boolean {
    return this.#limit.isOn || this.#limit.overflows + this.upstream.overflows > 0;
  }

  /** Who may be chosen, for who asks beforehand. */
  get choice(): Endpoints {
    return this.#endpoints;
  }

  /** Nothing is under way, and nobody waits. */
  get isIdle(): boolean {
    return this.upstream.isIdle && this.#endpoints.isIdle;
  }

  /** Connections that stand are kept, but for those to endpoints that have to be somebody else now. */
  update(settings: ClusterSettings): void {
    this.#settings = settings;
    const trustDomain = parseSpiffeId(this.#context.identity().spiffeUri)?.trustDomain ?? "";
    this.concurrency.update(settings.adaptiveConcurrency);
    this.#endpoints.update(settings, createPeers(settings, trustDomain));
    this.upstream.refresh();
  }

  sweep(nowMs: number): void {
    this.#endpoints.sweep(nowMs);
    this.upstream.sweep(nowMs);
  }

  /** No new request comes any more: there is nothing left to choose for which its endpoints would be checked. */
  retire(): void {
    this.health.stop();
  }

  /** Closes idle connections now and busy ones when they are done. */
  close(): void {
    this.#endpoints.close();
  }

  /** Opens a connection for TCP, for a client at `address`. */
  dial(address: string, onResult: (result: DialResult) => void): void {
    this.#dial(connectionHash(this.#settings.balancer.hashPolicies, hostOf(address)), new Set(), onResult);
  }

  #hashOf(head: RequestHead, address: string): number | undefined {
    const { hashPolicies } = this.#settings.balancer;
    return hashPolicies.length === 0 ? undefined : requestHash(hashPolicies, head, hostOf(address));
  }

  #dial(hash: number | undefined, tried: ReadonlySet<Endpoint>, onResult: (result: DialResult) => void): void {
    const endpoint = tried.size < maxDialAttempts ? this.#endpoints.pickEndpoint(tried, hash) : undefined;
    if (endpoint === undefined) {
      const failure = tried.size === 0 ? "no_healthy_upstream" : "connect_failure";
      // The caller is still being built: its answer comes in the next turn.
      queueMicrotask(() => onResult({ failure }));
      return;
    }
    endpoint.dial((result) => {
      if (result.ok) onResult({ endpoint, connection: result.connection });
      else this.#dial(hash, new Set([...tried, endpoint]), onResult);
    });
  }

  #connect({ address, peer }: Endpoint, onResult: (result: ConnectResult) => void, isCheck: boolean): void {
    const { host, port } = mustGet(parseHostPort(address), "addresses are checked when parsed");
    const { connectTimeoutMs, protocol } = this.#settings;
    this.#context.transport.connect({
      host,
      port,
      timeoutMs: connectTimeoutMs,
      tls: {
        identity: this.#context.identity(),
        serverName: peer.serverName,
        ...(protocol === "tcp" ? {} : { alpn: meshProtocols }),
        isExpectedPeer: peer.isExpected,
      },
      onResult: (result) => {
        if (!result.ok && !isCheck) this.#countFailure(address, result);
        onResult(result);
      },
    });
  }

  #countFailure(address: string, result: Extract<ConnectResult, { ok: false }>): void {
    this.connectFailures.set(result.reason, (this.connectFailures.get(result.reason) ?? 0) + 1);
    this.#context.logger.debug("cannot reach an endpoint", {
      cluster: this.name,
      endpoint: address,
      reason: result.reason,
      error: result.message,
    });
  }
}

export type DialResult =
  | { readonly endpoint: Endpoint; readonly connection: Connection }
  | { readonly failure: "no_healthy_upstream" | "connect_failure" };
