import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { ClusterConfig } from "../../lib/contract/proxy-config.ts";
import type { Candidate } from "../balance/candidate.ts";
import { LatencyEstimate } from "../balance/latency-estimate.ts";
import { backoffMs } from "../balance/retry-after.ts";
import type { AnswerObserver } from "../exchange/ends.ts";
import { plainHpack } from "../http-door.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { ProxyContext } from "../proxy-context.ts";
import type { ConnectResult } from "../transport/transport.ts";
import { EndpointPool } from "../upstream/endpoint-pool.ts";

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
  /** Opens a verified mTLS connection to `address`. */
  readonly connect: (address: string, onResult: (result: ConnectResult) => void) => void;
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
  readonly pool: EndpointPool;
  weight = 1;
  zone = "";
  priority = 0;
  tags: Tags = {};
  readonly isHealthy = true;
  backoffUntilMs = 0;
  readonly joinedAtMs: number;
  readonly latency: LatencyEstimate;
  /** Connections relayed at the moment. */
  tcpConnections = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #balancer: BalancerConfig;
  readonly #options: EndpointOptions;

  constructor(address: string, options: EndpointOptions) {
    const { turn, buffers, clock, limits } = options.context;
    this.#options = options;
    this.#balancer = options.balancer;
    this.address = address;
    this.joinedAtMs = options.joinedAtMs;
    this.latency = new LatencyEstimate(options.balancer.defaultRttMs, clock.monotonicMs());
    this.pool = new EndpointPool({
      connect: (onResult) => this.connect(onResult),
      protocolOf: ({ alpn }) => (alpn === "h2" ? "http2" : "http1"),
      hpack: plainHpack,
      greetingTimeoutMs: options.connectTimeoutMs,
      onUngreeted: () => options.onUngreeted(this.address),
      isKeptAlive: true,
      observer: this,
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

  update(settings: ClusterConfig["endpoints"][number], balancer: BalancerConfig): void {
    this.#balancer = balancer;
    this.weight = settings.weight;
    this.zone = settings.zone;
    this.priority = settings.priority;
    // The same object as long as it says the same: by that the balancer knows.
    if (!isSame(this.tags, settings.tags)) this.tags = settings.tags;
  }

  connect(onResult: (result: ConnectResult) => void): void {
    this.#options.connect(this.address, (result) => {
      this.#failedAtMs = result.ok ? Number.NEGATIVE_INFINITY : this.#options.context.clock.monotonicMs();
      onResult(result);
    });
  }

  onAnswer(head: ResponseHead, sentMs: number): void {
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
}

function isSame(a: Tags, b: Tags): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
