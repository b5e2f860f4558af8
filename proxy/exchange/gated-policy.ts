import type { RequestHead } from "../message/request-head.ts";
import { afterForward, type Decision, type RequestPolicy } from "./policy.ts";

/** Stands before all other policies of a connection: what they forward, its gate, where it has one, may still hold up or answer. */
export class GatedPolicy implements RequestPolicy {
  readonly #inner: RequestPolicy;

  constructor(inner: RequestPolicy) {
    this.#inner = inner;
  }

  decide(head: RequestHead): Decision {
    const decision = this.#inner.decide(head);
    if (decision.action === "forward") return decision.policy?.gate?.decide(decision, head) ?? decision;
    return afterForward(
      decision,
      (forwarded) => forwarded.policy?.gate?.decide(forwarded, head) ?? forwarded,
      () => this.#inner.decide(head),
    );
  }

  reconsider(head: RequestHead): Decision {
    return this.#inner.reconsider?.(head) ?? this.#inner.decide(head);
  }
}
