import { isDeepStrictEqual } from "node:util";
import { mustGet } from "../../lib/base/assert.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { InboundConfig } from "../../lib/contract/proxy-config.ts";
import { ExtAuthz } from "../authz/ext-authz/ext-authz.ts";
import { type Authorizer, type CallerRules, compileIntentions } from "../authz/intentions.ts";
import { SparseLog } from "../authz/sparse-log.ts";
import { AdaptiveLimit } from "../concurrency/adaptive-limit.ts";
import type { Member } from "../connection-set.ts";
import { JwtVerifier } from "../authz/jwt/verifier.ts";
import { pathOf } from "../match/request-match.ts";
import type { Verdict } from "../message/verdict.ts";
import type { ConnectionObserver } from "../exchange/observation.ts";
import type { ForwardPolicy, RequestPolicy } from "../exchange/policy.ts";
import { GatedPolicy } from "../exchange/gated-policy.ts";
import type { HttpService, Seat } from "../exchange/server-context.ts";
import { plainHpack, serveHttp } from "../http-door.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { TcpSession } from "../relay/tcp-session.ts";
import { ListenerLimits } from "../rate-limit/listener-limits.ts";
import { RateLimitedPolicy } from "../rate-limit/rate-limited-policy.ts";
import { ListenerStages } from "../resilience/listener-stages.ts";
import { createStageContext } from "../resilience/stage-context.ts";
import { Serving } from "../serving.ts";
import type { Connection, HandshakeRefusal } from "../transport/transport.ts";
import { EndpointPool } from "../upstream/endpoint-pool.ts";
import { PooledUpstream } from "../upstream/pooled-upstream.ts";
import { CallerPolicy, localCluster } from "./caller-policy.ts";

/** What other proxies may speak with us, the preferred first. */
const meshProtocols = ["h2", "http/1.1"] as const;
const maxCallerSeries = 256;

/** Where other proxies reach one local service: mTLS and intentions on the mesh side, plain to the application. */
export class InboundListener {
  readonly kind = "inbound";
  readonly serving: Serving<Member>;
  /** Connections accepted by the caller's SPIFFE id; bounded, the rest count as `other`. */
  readonly callers = new Map<string, number>();
  readonly limits: ListenerLimits;
  readonly concurrency: AdaptiveLimit;
  /** Asks somebody else about what the intentions allow, where that is configured. */
  readonly extAuthz: ExtAuthz;
  readonly #context: ProxyContext;
  readonly #http: HttpService;
  readonly #connectionObserver: () => ConnectionObserver | undefined;
  #config: InboundConfig;
  #authorizer: Authorizer;
  #jwt: JwtVerifier | undefined;
  #forward: ForwardPolicy | undefined;
  #stages: ListenerStages | undefined;
  readonly #dryRuns: SparseLog;
  #pool: EndpointPool;
  readonly #upstream: PooledUpstream;
  /** Pools of a former address, until their last exchange is over. */
  readonly #leaving = new Set<EndpointPool>();

  constructor(context: ProxyContext, config: InboundConfig) {
    this.#context = context;
    this.#config = config;
    const { monotonicMs } = context.clock;
    this.limits = new ListenerLimits({ monotonicMs, processes: context.processes }, config.rateLimit);
    this.#jwt = this.#createVerifier();
    this.#authorizer = compileIntentions(config.intentions, this.#jwt);
    this.concurrency = new AdaptiveLimit(context, config.adaptiveConcurrency);
    this.extAuthz = new ExtAuthz(context, config);
    this.#dryRuns = new SparseLog({
      logger: context.logger,
      level: "info",
      message: "dry run: an intention would have denied this",
      monotonicMs,
    });
    this.#pool = this.#createPool();
    this.#upstream = new PooledUpstream({
      picker: { pick: (tried) => (tried.includes(this.#pool) ? undefined : this.#pool) },
      monotonicMs: context.clock.monotonicMs,
      waitTimeoutMs: () => this.#config.connectTimeoutMs,
    });
    this.#connectionObserver = context.telemetry.watchConnections("inbound", () => this.#config);
    this.serving = new Serving({
      context,
      settings: () => this.#config,
      isMutualTls: true,
      observer: context.telemetry.watch("inbound", () => this.#config),
      alpn: () => (this.#config.protocol === "tcp" ? [] : meshProtocols),
      takeConnection: () => this.limits.takeConnection(),
      serve: (connection, seat) => this.#serve(connection, seat),
      onRefused: (reason) => this.#logRefusal(reason),
      onIdle: () => {
        this.#pool.close();
        this.extAuthz.close();
      },
    });
    this.#http = {
      context: this.serving.http,
      // What is limited anyway is nothing to ask about, and what is denied nothing to hold up.
      policyFor: (one) =>
        new GatedPolicy(this.extAuthz.guard(new RateLimitedPolicy(this.policyFor(one), this.limits, one.peerUri), one)),
    };
    this.#forward = this.#compileForward();
  }

  get config(): InboundConfig {
    return this.#config;
  }

  /** Absent until there is a fault. */
  get stages(): ListenerStages | undefined {
    return this.#stages;
  }

  /** Takes new settings; the address stays. A caller that lost its permission loses its connections and requests too. */
  update(config: InboundConfig): void {
    const hasNewProviders = !isDeepStrictEqual(config.jwtProviders, this.#config.jwtProviders);
    const hasMoved = config.app !== this.#config.app || config.protocol !== this.#config.protocol;
    this.#config = config;
    this.limits.update(config.rateLimit);
    this.concurrency.update(config.adaptiveConcurrency);
    // Tokens that were verified stay so while their providers do.
    if (hasNewProviders) this.#jwt = this.#createVerifier();
    this.#authorizer = compileIntentions(config.intentions, this.#jwt);
    this.#forward = this.#compileForward();
    this.extAuthz.update(config);
    this.serving.refreshHandshakes();
    if (hasMoved) {
      this.#pool.close();
      this.#leaving.add(this.#pool);
      this.#pool = this.#createPool();
      this.#upstream.refresh();
    }
    for (const member of this.serving.members) {
      if (!(member instanceof TcpSession)) member.recheck?.();
      else if (!this.#authorizer(member.peerUri).connection.isAllowed) {
        this.serving.connections.refusals.denied++;
        member.destroy();
      }
    }
  }

  sweep(nowMs: number): void {
    this.serving.sweep(nowMs);
    this.#pool.sweep(nowMs);
    this.#upstream.sweep(nowMs);
    this.extAuthz.sweep(nowMs);
    for (const pool of this.#leaving) {
      pool.sweep(nowMs);
      if (pool.isEmpty) this.#leaving.delete(pool);
    }
  }

  #serve(connection: Connection, seat: Seat): Member | undefined {
    const isHttp = this.#config.protocol !== "tcp";
    const { connection: verdict, request } = this.#authorizer(connection.peerUri);
    if (!verdict.isAllowed && !(isHttp && request !== undefined)) {
      this.serving.connections.refusals.denied++;
      this.#context.logger.info("caller denied by intention", {
        service: this.#config.service,
        caller: connection.peerUri,
        rule: verdict.rule,
      });
      // An HTTP caller is told by a 403 for each of its requests; a TCP caller can only be cut off.
      if (!isHttp) {
        this.#observeDenial(connection);
        connection.destroy();
        return undefined;
      }
    }
    if (verdict.isDryRun && !isHttp) {
      this.serving.connections.dryRunDenials++;
      this.#logDryRun(verdict, connection.peerUri, "connection");
    }
    this.#countCaller(connection.peerUri);
    return isHttp ? serveHttp({ connection, service: this.#http, seat }) : this.#serveTcp(connection, seat);
  }

  /** What the intentions say of a caller. */
  rulesOf(callerUri: string): CallerRules {
    return this.#authorizer(callerUri);
  }

  /** Decides for the requests of a verified caller. */
  policyFor({ peerUri, peerCertificate }: Pick<Connection, "peerUri" | "peerCertificate">): RequestPolicy {
    return new CallerPolicy({
      caller: { ownUri: this.#context.identity().spiffeUri, callerUri: peerUri, certificate: peerCertificate },
      authorizer: () => this.#authorizer,
      jwt: () => this.#jwt,
      onDryRun: (verdict, head) => {
        this.serving.counters.dryRunDenials++;
        this.#logDryRun(verdict, peerUri, `${head.method} ${pathOf(head)}`);
      },
      clientCert: () => this.#config.clientCert,
      upstream: () => this.#upstream,
      forward: () => this.#forward,
    });
  }

  #serveTcp(client: Connection, seat: Seat): TcpSession {
    return new TcpSession({
      client,
      counters: this.serving.connections,
      memory: this.#context.memory,
      stalledReadMs: () => this.#context.limits().http1.stalledReadMs,
      cluster: localCluster,
      observer: this.#connectionObserver(),
      monotonicMs: this.#context.clock.monotonicMs,
      dial: (onResult) =>
        this.#dialApp((result) => {
          if (!result.ok) this.serving.connections.refusals.connect_failure++;
          onResult(result.ok ? result.connection : "connect_failure");
        }),
      onClosed: () => seat.leave(),
    });
  }

  #observeDenial(connection: Connection): void {
    const observer = this.#connectionObserver();
    const observation = observer?.beginConnection(connection, this.#context.clock.monotonicMs());
    if (observation === undefined) return;
    observation.refusal = "denied";
    observer?.endedConnection(observation);
  }

  #countCaller(uri: string): void {
    const label = this.callers.has(uri) || this.callers.size < maxCallerSeries ? uri : "other";
    this.callers.set(label, (this.callers.get(label) ?? 0) + 1);
  }

  #createVerifier(): JwtVerifier | undefined {
    const { jwtProviders: providers } = this.#config;
    const { clock, fetchText } = this.#context;
    return providers.length === 0 ? undefined : new JwtVerifier({ providers, clock, fetchText });
  }

  #logDryRun({ rule }: Verdict, caller: string, request: string): void {
    this.#dryRuns.write({ service: this.#config.service, caller, rule, request });
  }

  #logRefusal(reason: HandshakeRefusal): void {
    if (reason === "closed_early") return;
    this.#context.logger.info("mesh connection refused", { service: this.#config.service, reason });
  }

  #createPool(): EndpointPool {
    const { turn, buffers, clock, limits } = this.#context;
    // Applications do not negotiate: what they speak is what the configuration says.
    const speaks = this.#config.protocol === "http" ? "http1" : "http2";
    return new EndpointPool({
      connect: (onResult) => this.#dialApp(onResult),
      protocolOf: () => speaks,
      hpack: plainHpack,
      greetingTimeoutMs: undefined,
      onUngreeted: () => undefined,
      isKeptAlive: false,
      turn,
      buffers,
      monotonicMs: clock.monotonicMs,
      maxConnections: this.#config.maxConnections,
      idleTimeoutMs: () => this.#config.upstreamIdleTimeoutMs,
      onRoom: (pool) => this.#upstream.serve(pool),
      limits,
    });
  }

  /** A caller's proxy retries; ours keeps the time for the application, and injects its faults. */
  #compileForward(): ForwardPolicy | undefined {
    const { timeoutMs, fault } = this.#config;
    this.#stages?.begin();
    if (fault !== undefined) this.#stages ??= new ListenerStages(createStageContext(this.serving, this.#context));
    const gate = this.#stages?.gateOf("", fault);
    const { stages } = this.concurrency;
    if (timeoutMs === 0 && stages.length === 0 && gate === undefined) return undefined;
    return { timeoutMs, retry: undefined, stages, ...(gate !== undefined && { gate }) };
  }

  #dialApp(onResult: Parameters<ProxyContext["transport"]["connect"]>[0]["onResult"]): void {
    const { host, port } = mustGet(parseHostPort(this.#config.app), "addresses are checked when parsed");
    this.#context.transport.connect({ host, port, timeoutMs: this.#config.connectTimeoutMs, onResult });
  }
}
