import { mustGet } from "../../../lib/base/assert.ts";
import { isLoopbackHost, parseHostPort } from "../../../lib/contract/address.ts";
import type { InboundConfig } from "../../../lib/contract/proxy-config.ts";
import type { ExtAuthzConfig } from "../../../lib/contract/proxy-ext-authz.ts";
import { compileSpiffePattern } from "../../../lib/contract/spiffe.ts";
import { Deadlines } from "../../exchange/deadlines.ts";
import { plainHpack } from "../../http-door.ts";
import type { ProxyContext } from "../../proxy-context.ts";
import type { ConnectResult } from "../../transport/transport.ts";
import { EndpointPool } from "../../upstream/endpoint-pool.ts";
import { PooledUpstream } from "../../upstream/pooled-upstream.ts";
import { type CheckOutcome, failed } from "./answer.ts";
import { CheckCall } from "./check-call.ts";
import type { CheckProtocol } from "./check-protocol.ts";
import type { CheckSubject } from "./check-subject.ts";
import type { ExtAuthzCounters } from "./counters.ts";
import { GrpcCheck } from "./grpc-check.ts";
import { HttpCheck } from "./http-check.ts";

/** The times of a listener that hold for the connections to its authorizer as well. */
export type ConnectionTimes = Pick<InboundConfig, "connectTimeoutMs" | "upstreamIdleTimeoutMs">;

export interface AuthorizerOptions {
  readonly context: ProxyContext;
  readonly config: ExtAuthzConfig;
  readonly times: () => ConnectionTimes;
  readonly counters: ExtAuthzCounters;
}

export type Cancel = () => void;

/** One authorizer and the connections to it: bounded in checks under way, in their time and in the size of their answers. */
export class Authorizer {
  readonly address: string;
  readonly #options: AuthorizerOptions;
  readonly #server: NonNullable<ExtAuthzConfig["grpc"] | ExtAuthzConfig["http"]>;
  readonly #protocol: CheckProtocol;
  readonly #pool: EndpointPool;
  readonly #upstream: PooledUpstream;
  readonly #deadlines: Deadlines;
  #underWay = 0;
  #isClosing = false;

  constructor(options: AuthorizerOptions) {
    const { context, config } = options;
    const { grpc, http } = config;
    this.#options = options;
    this.#server = mustGet(grpc ?? http, "one of the protocols is there when the document is parsed");
    this.#protocol =
      grpc === undefined ? new HttpCheck(config, mustGet(http, "one is there")) : new GrpcCheck(config, grpc);
    this.address = this.#server.address;
    this.#deadlines = new Deadlines(context.clock);
    this.#pool = this.#createPool(grpc === undefined ? "http1" : "http2");
    this.#upstream = new PooledUpstream({
      picker: { pick: (tried) => (tried.includes(this.#pool) ? undefined : this.#pool) },
      monotonicMs: context.clock.monotonicMs,
      waitTimeoutMs: () => config.timeoutMs,
    });
  }

  /** It is closed, and no connection is left. */
  get isEmpty(): boolean {
    return this.#isClosing && this.#underWay === 0 && this.#pool.isEmpty;
  }

  /** Calls `onOutcome` once, at once or later, unless what is returned is called before. */
  check(subject: CheckSubject, onOutcome: (outcome: CheckOutcome) => void): Cancel {
    const { config, counters, context } = this.#options;
    if (this.#underWay >= config.maxConcurrentChecks) {
      counters.count("overflow");
      onOutcome(failed("too many checks are under way"));
      return () => undefined;
    }
    this.#underWay++;
    const startedMs = context.clock.monotonicMs();
    const { head, body } = this.#protocol.request(subject);
    const { timeoutMs, maxResponseBytes } = config;
    let isOver = false;
    const call = new CheckCall({
      ...{ upstream: this.#upstream, deadlines: this.#deadlines, head, body, timeoutMs, maxResponseBytes },
      onDone: (result) => {
        isOver = true;
        this.#leave();
        const outcome = "kind" in result ? result : this.#protocol.outcome(result);
        counters.count(outcome.kind === "failed" ? "error" : outcome.kind, context.clock.monotonicMs() - startedMs);
        onOutcome(outcome);
      },
    });
    call.start();
    return () => {
      if (isOver) return;
      isOver = true;
      counters.count("cancelled");
      call.cancel();
      this.#leave();
    };
  }

  /** Called about once a second. */
  sweep(nowMs: number): void {
    this.#pool.sweep(nowMs);
    this.#upstream.sweep(nowMs);
  }

  /** Checks under way, and those that wait for a connection, come to their end. */
  close(): void {
    this.#isClosing = true;
    if (this.#underWay === 0) this.#pool.close();
  }

  #leave(): void {
    this.#underWay--;
    if (this.#isClosing && this.#underWay === 0) this.#pool.close();
  }

  #createPool(speaks: "http1" | "http2"): EndpointPool {
    const { context, times, config } = this.#options;
    const { turn, buffers, clock, limits } = context;
    const { address, tls } = this.#server;
    const { host } = mustGet(parseHostPort(address), "addresses are checked when parsed");
    const isTls = tls !== undefined;
    return new EndpointPool({
      connect: (onResult) => this.#connect(speaks, onResult),
      protocolOf: () => speaks,
      hpack: plainHpack,
      // As between proxies: what a server of TLS says first shows that it has accepted our certificate.
      greetingTimeoutMs: isTls && speaks === "http2" ? () => times().connectTimeoutMs : undefined,
      onUngreeted: () => undefined,
      // On another host it may die unseen, and every check with it, until the kernel gives up after a quarter of an hour.
      isKeptAlive: isTls || !isLoopbackHost(host),
      turn,
      buffers,
      monotonicMs: clock.monotonicMs,
      maxConnections: config.maxConcurrentChecks,
      idleTimeoutMs: () => times().upstreamIdleTimeoutMs,
      onRoom: (pool) => this.#upstream.serve(pool),
      limits,
    });
  }

  #connect(speaks: "http1" | "http2", onResult: (result: ConnectResult) => void): void {
    const { context, times } = this.#options;
    const { address, tls } = this.#server;
    const { host, port } = mustGet(parseHostPort(address), "addresses are checked when parsed");
    const alpn = speaks === "http2" ? "h2" : "http/1.1";
    context.transport.connect({
      host,
      port,
      timeoutMs: times().connectTimeoutMs,
      ...(tls !== undefined && {
        tls: {
          identity: context.identity(),
          serverName: tls.serverName,
          alpn: [alpn],
          isExpectedPeer: mustGet(compileSpiffePattern(tls.peerIdentity), "patterns are checked when parsed"),
        },
      }),
      onResult: (result) => {
        const isOther = result.ok && tls !== undefined && speaks === "http2" && result.connection.alpn !== alpn;
        if (isOther) result.connection.destroy();
        onResult(isOther ? { ok: false, reason: "refused", message: "it does not speak HTTP/2" } : result);
      },
    });
  }
}
