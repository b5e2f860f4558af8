import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { ClusterConfig } from "../../lib/contract/proxy-config.ts";
import type { Candidate } from "../balance/candidate.ts";
import { LatencyEstimate } from "../balance/latency-estimate.ts";
import { backoffMs } from "../balance/retry-after.ts";
import type { AnswerObserver } from "../exchange/ends.ts";
import type { FieldBlock } from "../message/field-block.ts";
import { type GrpcKind, httpStatusOfGrpc } from "../message/grpc.ts";
import { plainHpack } from "../http-door.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { ProxyContext } from "../proxy-context.ts";
import type { EndpointCheck } from "../resilience/health-check/health-checker.ts";
import type { OutlierHost } from "../resilience/outlier/outlier-host.ts";
import type { Connection, ConnectResult } from "../transport/transport.ts";
import { EndpointPool } from "../upstream/endpoint-pool.ts";
import type { Peer } from "./peer.ts";

/** How long an endpoint whose connection attempt failed is passed over while others remain. */
const suspectMs = 1_000;

/** What all endpoints of a cluster share. */
export interface SharedEndpointOptions {
  readonly context: ProxyContext;
  readonly idleTimeoutMs: () => number;
  readonly connectTimeoutMs: () => number;
  /** A connection to `address` stood and was ended before a word of the other side. */
  readonly onUngreeted: (address: string) => void;
  readonly onRoom: (pool: EndpointPool) => void;
  /** Whether it may be chosen is another matter than before. */
  readonly onHealth: (endpoint: Endpoint) => void;
  /** Health is ignored now. */
  readonly isPanicking: () => boolean;
  /** Opens an mTLS connection to the endpoint, verified to be its peer's. */
  readonly connect: (endpoint: Endpoint, onResult: (result: ConnectResult) => void, isCheck: boolean) => void;
}

export interface EndpointOptions extends SharedEndpointOptions {
  readonly maxConnections: number;
  readonly balancer: BalancerConfig;
  /** For slow start: -Infinity for one that does not. */
  readonly joinedAtMs: number;
}

type Tags = Readonly<Record<string, string>>;

/** One instance of a destination: its HTTP pool, its TCP connections and what the balancer wants to know of it. */
export class Endpoint implements Candidate, AnswerObserver {
  readonly address: string;
  readonly peer: Peer;
  readonly pool: EndpointPool;
  weight = 1;
  zone = "";
  priority = 0;
  tags: Tags = {};
  isHealthy = true;
  backoffUntilMs = 0;
  /** Since when it has been there, or back. */
  joinedAtMs: number;
  readonly latency: LatencyEstimate;
  /** Connections relayed at the moment. */
  tcpConnections = 0;
  /** Where its cluster has outlier detection, and where it has health checks. */
  outlier: OutlierHost | undefined;
  check: EndpointCheck | undefined;
  /** TCP connections that are being opened. */
  #dials = 0;
  /** What was under way before its probation, as much of it as is left. */
  #leftover = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #balancer: BalancerConfig;
  readonly #options: EndpointOptions;

  constructor(address: string, peer: Peer, options: EndpointOptions) {
    const { clock } = options.context;
    this.#options = options;
    this.#balancer = options.balancer;
    this.address = address;
    this.peer = peer;
    this.joinedAtMs = options.joinedAtMs;
    this.latency = new LatencyEstimate(options.balancer.defaultRttMs, clock.monotonicMs());
    this.pool = new EndpointPool({
      ...sharedPoolOptions(options),
      connect: (onResult) => this.#connect(onResult),
      onUngreeted: () => options.onUngreeted(this.address),
      observer: this,
      maxConnections: options.maxConnections,
      onRoom: (pool) => {
        if (this.#takesWaiting) options.onRoom(pool);
      },
    });
  }

  get activeCount(): number {
    return this.tcpConnections + this.#dials + this.pool.activeCount;
  }

  get isSuspect(): boolean {
    if (this.outlier?.state === "probation" && this.#isProbed()) return true;
    return this.pool.isFailing || this.#options.context.clock.monotonicMs() - this.#failedAtMs < suspectMs;
  }

  update(settings: ClusterConfig["endpoints"][number], balancer: BalancerConfig): void {
    this.#balancer = balancer;
    this.weight = settings.weight;
    this.zone = settings.zone;
    this.priority = settings.priority;
    // The same object as long as it says the same: by that the balancer knows.
    if (!isSame(this.tags, settings.tags)) this.tags = settings.tags;
  }

  /** Opens a connection of TCP. */
  dial(onResult: (result: ConnectResult) => void): void {
    this.#dials++;
    this.#connect((result) => {
      this.#dials--;
      if (result.ok) this.outlier?.onConnected();
      else this.outlier?.onConnectionFailed();
      onResult(result);
    });
  }

  /** Opens a connection for checks alone. */
  connectForCheck(onResult: (result: ConnectResult) => void): void {
    this.#options.connect(this, onResult, true);
  }

  /** A pool with one connection at most, for health checks. */
  createCheckPool(): EndpointPool {
    return new EndpointPool({
      ...sharedPoolOptions(this.#options),
      connect: (onResult) => this.connectForCheck(onResult),
      onUngreeted: () => undefined,
      maxConnections: 1,
      onRoom: () => undefined,
    });
  }

  /** To be called when outlier detection or health checks may have another opinion of it. */
  judge(): void {
    const isHealthy = this.outlier?.state !== "ejected" && this.check?.health.isHealthy !== false;
    if (isHealthy === this.isHealthy) return;
    this.isHealthy = isHealthy;
    if (isHealthy && this.outlier?.state !== "probation") this.rejoin();
    this.#options.onHealth(this);
  }

  /** What is under way now says nothing about how it will be. */
  beginProbation(): void {
    this.#leftover = this.activeCount;
    this.judge();
  }

  /** It is as if it had just joined: its share grows slowly, where that is configured. */
  rejoin(): void {
    this.joinedAtMs = this.#options.context.clock.monotonicMs();
  }

  /** Whether requests that wait for any room may come to it: they are not chosen for it, and may be many. */
  get #takesWaiting(): boolean {
    return this.isHealthy ? this.outlier?.state !== "probation" : this.#options.isPanicking();
  }

  /** Whether the request that decides about it is under way. */
  #isProbed(): boolean {
    const { activeCount } = this;
    this.#leftover = Math.min(this.#leftover, activeCount);
    return activeCount > this.#leftover;
  }

  #connect(onResult: (result: ConnectResult) => void): void {
    this.#options.connect(
      this,
      (result) => {
        this.#failedAtMs = result.ok ? Number.NEGATIVE_INFINITY : this.#options.context.clock.monotonicMs();
        onResult(result);
      },
      false,
    );
  }

  onAnswer(head: ResponseHead, sentMs: number, grpc: GrpcKind): void {
    if (this.outlier !== undefined) this.#tellAnswer(this.outlier, head, grpc);
    const { status } = head;
    const { policy, decayMs, maxRetryAfterMs } = this.#balancer;
    const { clock } = this.#options.context;
    if (policy === "peak-ewma") {
      const nowMs = clock.monotonicMs();
      this.latency.observe(nowMs - sentMs, nowMs, { decayMs, isFailure: status >= 500 });
    }
    if (status !== 429 && status !== 503) return;
    const ms = backoffMs(status, head.block.get("retry-after"), { nowMs: clock.nowMs(), maxMs: maxRetryAfterMs });
    if (ms > 0) this.backoffUntilMs = Math.max(this.backoffUntilMs, clock.monotonicMs() + ms);
  }

  /** Its answer would have taken longer still: that never brings the estimate down. */
  onOutrun(sentMs: number): void {
    const { policy, decayMs } = this.#balancer;
    if (policy !== "peak-ewma") return;
    const nowMs = this.#options.context.clock.monotonicMs();
    this.latency.observe(nowMs - sentMs, nowMs, { decayMs, isFailure: true });
  }

  onGrpcTrailers(block: FieldBlock): void {
    const grpcStatus = block.get("grpc-status");
    if (grpcStatus !== undefined) this.outlier?.onAnswer(httpStatusOfGrpc(grpcStatus));
  }

  onLost(): void {
    this.outlier?.onConnectionFailed();
  }

  onLate(): void {
    this.outlier?.onTimeout();
  }

  onUnreachable(): void {
    this.outlier?.onConnectionFailed();
  }

  #tellAnswer(outlier: OutlierHost, { status, block }: ResponseHead, grpc: GrpcKind): void {
    const grpcStatus = grpc === "" ? undefined : block.get("grpc-status");
    if (grpcStatus !== undefined) outlier.onAnswer(httpStatusOfGrpc(grpcStatus));
    // What has become of a call is in its trailers; that it has begun well is enough for a probation, which may not last as long.
    else if (grpc !== "grpc" || status !== 200 || outlier.state === "probation") outlier.onAnswer(status);
  }
}

/** What all connections to an endpoint have in common. */
function sharedPoolOptions({ context, connectTimeoutMs, idleTimeoutMs }: EndpointOptions) {
  const { turn, buffers, clock, limits } = context;
  return {
    protocolOf: ({ alpn }: Connection) => (alpn === "h2" ? "http2" : "http1"),
    hpack: plainHpack,
    greetingTimeoutMs: connectTimeoutMs,
    isKeptAlive: true,
    turn,
    buffers,
    monotonicMs: clock.monotonicMs,
    idleTimeoutMs,
    limits,
  } as const;
}

function isSame(a: Tags, b: Tags): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
