import { isDeepStrictEqual } from "node:util";
import type { InboundConfig } from "../../../lib/contract/proxy-config.ts";
import { afterForward, type Decision, type ForwardDecision, type RequestPolicy } from "../../exchange/policy.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { ProxyContext } from "../../proxy-context.ts";
import type { Connection } from "../../transport/transport.ts";
import { SparseLog } from "../sparse-log.ts";
import { Authorizer, type ConnectionTimes } from "./authorizer.ts";
import type { CheckPeers } from "./check-subject.ts";
import { ExtAuthzCounters } from "./counters.ts";
import { Enforcer } from "./enforcer.ts";

/** What of a listener's settings is about this. */
export type ExtAuthzListener = ConnectionTimes & Pick<InboundConfig, "service" | "listen" | "extAuthz">;

/**
 * The door of this folder: external authorization of the requests of one listener, as Envoy's ext_authz filter does it. Whatever the
 * listener's own policy forwards is asked about, while that is configured; without, a request costs one comparison here.
 */
export class ExtAuthz {
  readonly #context: ProxyContext;
  #listener: ExtAuthzListener;
  #counters: ExtAuthzCounters | undefined;
  #authorizer: Authorizer | undefined;
  #enforcer: Enforcer | undefined;
  /** Former ones, until their last check is over. */
  readonly #leaving = new Set<Authorizer>();

  constructor(context: ProxyContext, listener: ExtAuthzListener) {
    this.#context = context;
    this.#listener = listener;
    this.#begin();
  }

  /** Undefined where it was never configured. */
  get counters(): ExtAuthzCounters | undefined {
    return this.#counters;
  }

  /** Requests that were asked about, or are, are not asked about again. */
  update(listener: ExtAuthzListener): void {
    const isSame = isDeepStrictEqual(listener.extAuthz, this.#listener.extAuthz);
    this.#listener = listener;
    if (isSame) return;
    if (this.#authorizer !== undefined) {
      this.#authorizer.close();
      this.#leaving.add(this.#authorizer);
    }
    this.#begin();
  }

  /** For the requests of one connection: `inner`, and then whoever is configured at that moment. */
  guard(inner: RequestPolicy, connection: Connection): RequestPolicy {
    return new Gate(this, inner, connection);
  }

  get isConfigured(): boolean {
    return this.#enforcer !== undefined;
  }

  /** Whether somebody would be asked about a request before it goes on. */
  wouldAsk(head: RequestHead): boolean {
    if (this.#enforcer === undefined || this.#listener.extAuthz?.dryRun === true) return false;
    return !this.#enforcer.isBypassed(head);
  }

  /** What becomes of a request that would be forwarded. */
  ask(forwarded: ForwardDecision, peers: CheckPeers): Decision {
    return this.#enforcer?.decide(forwarded, peers) ?? forwarded;
  }

  /** Both ends of a connection, as an authorizer is told of them. */
  peersOf(connection: Connection): CheckPeers {
    let pem: string | undefined;
    return {
      callerUri: connection.peerUri,
      ownUri: this.#context.identity().spiffeUri,
      callerAddress: connection.remoteAddress,
      ownAddress: this.#listener.listen,
      protocol: connection.alpn === "h2" ? "HTTP/2" : "HTTP/1.1",
      callerCertificate: () => {
        pem ??= connection.peerCertificatePem ?? "";
        return pem;
      },
    };
  }

  sweep(nowMs: number): void {
    this.#authorizer?.sweep(nowMs);
    for (const authorizer of this.#leaving) {
      authorizer.sweep(nowMs);
      if (authorizer.isEmpty) this.#leaving.delete(authorizer);
    }
  }

  close(): void {
    this.#authorizer?.close();
  }

  #begin(): void {
    const { extAuthz: config, service } = this.#listener;
    this.#authorizer = undefined;
    this.#enforcer = undefined;
    if (config === undefined) return;
    const context = this.#context;
    const { logger, clock } = context;
    const counters = this.#counters ?? new ExtAuthzCounters();
    this.#counters = counters;
    const authorizer = new Authorizer({ context, config, counters, times: () => this.#listener });
    const sparse = { logger, monotonicMs: clock.monotonicMs };
    const failures = new SparseLog({ ...sparse, level: "warn", message: "an external authorizer gave no answer" });
    const dryRuns = new SparseLog({
      ...sparse,
      level: "info",
      message: "dry run: an external authorizer would have denied this",
    });
    this.#authorizer = authorizer;
    this.#enforcer = new Enforcer({
      ...{ config, authorizer, counters, nowMs: clock.nowMs, random: () => context.random.float() },
      onFailed: (reason, { callerUri }) =>
        failures.write({ service, authorizer: authorizer.address, caller: callerUri, reason }),
      onDryRun: ({ callerUri }, request) => dryRuns.write({ service, caller: callerUri, request }),
    });
  }
}

/** Stands before the policy of one connection; small, since most connections are idle. */
class Gate implements RequestPolicy {
  readonly #owner: ExtAuthz;
  readonly #inner: RequestPolicy;
  readonly #connection: Connection;
  #peers: CheckPeers | undefined;

  constructor(owner: ExtAuthz, inner: RequestPolicy, connection: Connection) {
    this.#owner = owner;
    this.#inner = inner;
    this.#connection = connection;
  }

  decide(head: RequestHead): Decision {
    const decision = this.#inner.decide(head);
    if (!this.#owner.isConfigured) return decision;
    return afterForward(
      decision,
      (forwarded) => this.#ask(forwarded),
      () => this.#inner.decide(head),
    );
  }

  /** What the rules say of a request under way; nobody is asked about it again, as Envoy does not. */
  reconsider(head: RequestHead): Decision {
    return this.#inner.reconsider?.(head) ?? this.#inner.decide(head);
  }

  /** Whoever is to be asked now: a request may have waited for its token in between. */
  #ask(forwarded: ForwardDecision): Decision {
    this.#peers ??= this.#owner.peersOf(this.#connection);
    return this.#owner.ask(forwarded, this.#peers);
  }
}
