import { afterForward, type Decision, type ForwardDecision, type RequestPolicy } from "../exchange/policy.ts";
import type { RequestHead } from "../message/request-head.ts";
import { LimitFields, limitFields } from "./limit-fields.ts";
import { limitReply } from "./limit-reply.ts";
import type { ListenerLimits } from "./listener-limits.ts";
import type { LimitedCaller, RequestLimits } from "./request-limits.ts";

/**
 * Stands before the policy of one connection and holds what that forwards to the listener's limits: what is refused or answered anyway
 * uses up nothing. Without limits it costs one look.
 */
export class RateLimitedPolicy implements RequestPolicy {
  readonly #inner: RequestPolicy;
  readonly #limits: ListenerLimits;
  /** Of the caller that was verified; undefined where nobody is. */
  readonly #callerUri: string | undefined;
  #caller: LimitedCaller | undefined;
  #callerOf: RequestLimits | undefined;

  constructor(inner: RequestPolicy, limits: ListenerLimits, callerUri?: string) {
    this.#inner = inner;
    this.#limits = limits;
    this.#callerUri = callerUri;
  }

  decide(head: RequestHead): Decision {
    const decision = this.#inner.decide(head);
    if (this.#limits.requests === undefined) return decision;
    if (decision.action === "forward") return this.#pass(decision, head);
    return afterForward(
      decision,
      (forwarded) => this.#pass(forwarded, head),
      () => this.#inner.decide(head),
    );
  }

  reconsider(head: RequestHead): Decision {
    return this.#inner.reconsider?.(head) ?? this.#inner.decide(head);
  }

  #pass(forwarded: ForwardDecision, head: RequestHead): Decision {
    const { requests, nowMs, config } = this.#limits;
    if (requests === undefined) return forwarded;
    if (requests !== this.#callerOf) {
      this.#callerOf = requests;
      this.#caller = this.#callerUri === undefined ? undefined : requests.callerOf(this.#callerUri);
    }
    const isLetThrough = requests.take(head, forwarded.route?.name ?? "", this.#caller, nowMs);
    const nearest = config.fields === "off" ? undefined : requests.nearest();
    const fields = config.fields === "off" || nearest === undefined ? none : limitFields(config.fields, nearest);
    if (!isLetThrough && config.enforce) return limitReply(requests.waitMs, config.grpcStatus, fields);
    return fields === none ? forwarded : { ...forwarded, route: new LimitFields(forwarded.route, fields) };
  }
}

const none: readonly string[] = [];
