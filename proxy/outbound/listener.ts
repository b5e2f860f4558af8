import { isDeepStrictEqual } from "node:util";
import { mustGet } from "../../lib/base/assert.ts";
import type { OutboundConfig } from "../../lib/contract/proxy-config.ts";
import type { Member } from "../connection-set.ts";
import { editedForHop, type HopEdit } from "../exchange/edit-head.ts";
import type { Upstream } from "../exchange/ends.ts";
import type { ConnectionObserver } from "../exchange/observation.ts";
import type { Decision, ForwardDecision, ForwardPolicy, RequestPolicy } from "../exchange/policy.ts";
import { GatedPolicy } from "../exchange/gated-policy.ts";
import type { HttpService, Seat } from "../exchange/server-context.ts";
import { serveHttp } from "../http-door.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { TcpSession } from "../relay/tcp-session.ts";
import { ListenerLimits } from "../rate-limit/listener-limits.ts";
import { RateLimitedPolicy } from "../rate-limit/rate-limited-policy.ts";
import { compileForwardPolicy, type RoutePolicy } from "../resilience/forward-policy.ts";
import { ListenerStages } from "../resilience/listener-stages.ts";
import { createStageContext } from "../resilience/stage-context.ts";
import { type Possibilities, Router } from "../routing/router.ts";
import { Serving } from "../serving.ts";
import type { Connection } from "../transport/transport.ts";
import type { Cluster } from "./cluster.ts";
import { Clusters } from "./clusters.ts";
import type { Endpoint } from "./endpoint.ts";

const noClientCert: HopEdit = { rule: "sanitize", element: "", tellsProto: false };

/** Where the applications of this host reach one destination: plain on our side, mTLS to the destination's proxies. */
export class OutboundListener {
  readonly kind = "outbound";
  readonly serving: Serving<Member>;
  readonly limits: ListenerLimits;
  readonly #context: ProxyContext;
  readonly #http: HttpService;
  readonly #connectionObserver: () => ConnectionObserver | undefined;
  readonly #clusters: Clusters;
  #config: OutboundConfig;
  #stages: ListenerStages | undefined;
  /** Absent while every request goes to the listener's own cluster. */
  #router: Router | undefined;
  /** For requests that take no route. */
  #forward: ForwardPolicy | undefined;

  constructor(context: ProxyContext, config: OutboundConfig) {
    this.#context = context;
    this.#config = config;
    this.#clusters = new Clusters(context, config);
    const { monotonicMs } = context.clock;
    this.limits = new ListenerLimits({ monotonicMs, processes: context.processes }, config.rateLimit, config.routes);
    this.#connectionObserver = context.telemetry.watchConnections("outbound", () => this.#config);
    this.serving = new Serving({
      context,
      settings: () => this.#config,
      isMutualTls: false,
      observer: context.telemetry.watch("outbound", () => this.#config),
      takeConnection: () => this.limits.takeConnection(),
      serve: (connection, seat) =>
        this.#config.protocol === "tcp"
          ? this.#serveTcp(connection, seat)
          : serveHttp({ connection, service: this.#http, seat }),
      onRefused: () => undefined,
      onIdle: () => this.#clusters.close(),
    });
    this.#http = { context: this.serving.http, policyFor: (connection) => this.#policyFor(connection) };
    this.#clusters.update(config);
    this.#compile();
  }

  get config(): OutboundConfig {
    return this.#config;
  }

  /** Absent until there is a fault, a mirror or a hedge. */
  get stages(): ListenerStages | undefined {
    return this.#stages;
  }

  get clusters(): readonly Cluster[] {
    return this.#clusters.all;
  }

  /** Takes new settings; the address stays. Connections that stand are kept. */
  update(config: OutboundConfig): void {
    const before = this.#config;
    this.#config = config;
    this.#clusters.update(config);
    this.limits.update(config.rateLimit, config.routes);
    // Endpoints change often, and routes with all that is remembered about heads seldom.
    if (!isDeepStrictEqual(routingOf(before), routingOf(config))) this.#compile();
  }

  sweep(nowMs: number): void {
    this.serving.sweep(nowMs);
    this.#clusters.sweep(nowMs);
  }

  #policyFor({ remoteAddress }: Connection): RequestPolicy {
    const policy: RequestPolicy = { decide: (head) => this.#route(head, remoteAddress) };
    return new GatedPolicy(new RateLimitedPolicy(policy, this.limits));
  }

  /** All that may become of a canonical request, for who asks beforehand. */
  possibilities(head: RequestHead): Possibilities {
    if (this.#router !== undefined) return this.#router.possibilities(head);
    return { route: -1, choices: [{ share: 1, decision: this.#forwardPlain(head) }] };
  }

  #forwardPlain(head: RequestHead): ForwardDecision {
    return {
      action: "forward",
      upstream: this.#clusters.own.upstream,
      head: editedForHop(head, noClientCert),
      cluster: this.#config.service,
      policy: this.#forward,
    };
  }

  /** An application on this host is not asked who it is, so whom it claims to speak for is not passed on. */
  #route(head: RequestHead, remoteAddress: string): Decision {
    const decision: Decision = this.#router === undefined ? this.#forwardPlain(head) : this.#router.decide(head);
    if (decision.action !== "forward") return decision;
    const chosen = decision.upstream.forRequest?.(head, remoteAddress, decision.subset) ?? decision.upstream;
    return chosen === decision.upstream ? decision : { ...decision, upstream: chosen };
  }

  #compile(): void {
    this.#stages?.begin();
    this.#forward = this.#policyOf(this.#clusters.own, "", {});
    this.#router = this.#compileRoutes();
  }

  #compileRoutes(): Router | undefined {
    const { routes, unmatched, requestRules } = this.#config;
    const clusterOf = (name = this.#clusters.own.name): Cluster => this.#mustFind(name);
    if (routes.length === 0 && unmatched === "forward") return undefined;
    return new Router({
      routes,
      unmatched,
      rules: requestRules,
      clusterOf,
      policyOf: (cluster, route, own) => this.#policyOf(clusterOf(cluster), route, own),
      prepare: (head) => editedForHop(head, noClientCert),
      random: () => this.#context.random.float(),
    });
  }

  /** What a route, empty for none, says of its requests to one cluster, else its listener. */
  #policyOf(cluster: Cluster, route: string, own: Partial<RoutePolicy>): ForwardPolicy | undefined {
    const { timeoutMs, retry, fault, mirrors, hedge } = this.#config;
    const { retryBudget, concurrency } = cluster;
    const policy = { timeoutMs, retry, fault, mirrors, hedge, ...own };
    if (policy.fault === undefined && policy.hedge === undefined && policy.mirrors.length === 0) {
      return compileForwardPolicy(policy, retryBudget, concurrency.stages);
    }
    this.#stages ??= new ListenerStages(createStageContext(this.serving, this.#context));
    const gate = this.#stages.gateOf(own.fault === undefined ? "" : route, policy.fault);
    const upstreamOf = (name: string): Upstream => this.#mustFind(name).upstream;
    const stages = this.#stages.stagesOf(policy, { retryBudget, inner: concurrency.stages, upstreamOf });
    return compileForwardPolicy({ ...policy, gate }, retryBudget, stages);
  }

  #mustFind(cluster: string): Cluster {
    return mustGet(this.#clusters.find(cluster), "clusters are checked when parsed");
  }

  #serveTcp(client: Connection, seat: Seat): Member {
    let relayedTo: Endpoint | undefined;
    return new TcpSession({
      client,
      counters: this.serving.connections,
      memory: this.#context.memory,
      stalledReadMs: () => this.#context.limits().http1.stalledReadMs,
      cluster: this.#config.service,
      observer: this.#connectionObserver(),
      monotonicMs: this.#context.clock.monotonicMs,
      dial: (onResult) =>
        this.#clusters.own.dial(client.remoteAddress, (result) => {
          if ("failure" in result) {
            this.serving.connections.refusals[result.failure]++;
            onResult(result.failure);
            return;
          }
          result.endpoint.tcpConnections++;
          relayedTo = result.endpoint;
          onResult(result.connection);
        }),
      onClosed: () => {
        if (relayedTo !== undefined) relayedTo.tcpConnections--;
        seat.leave();
      },
    });
  }
}

/** What the routes of a listener are made of; a cluster that stays under its name stays the same. */
function routingOf({
  routes,
  unmatched,
  requestRules,
  timeoutMs,
  retry,
  fault,
  mirrors,
  hedge,
  adaptiveConcurrency,
  clusters,
}: OutboundConfig): readonly unknown[] {
  const named = clusters.map((cluster) => [cluster.name, cluster.adaptiveConcurrency]);
  return [routes, unmatched, requestRules, timeoutMs, retry, fault, mirrors, hedge, adaptiveConcurrency, named];
}
