import type { RequestHead } from "../message/request-head.ts";
import { undecided } from "./own-replies.ts";
import type { Decision, LocalReply, RequestPolicy, Waiting } from "./policy.ts";

/** Times that a policy may put one request off. */
const maxWaits = 8;

/** What becomes of a request, once that is known. */
export type Decided = Exclude<Decision, Waiting>;

/** Who wants to know; an object, since a closure would be one more for every request. */
export interface Asker {
  onDecided(decided: Decided): void;
}

/** What one request's policy was asked, to be asked again when it has put the request off or has other rules. */
export class PolicyQuestion {
  readonly canonical: RequestHead;
  readonly #policy: RequestPolicy;
  #waits = 0;
  /** What the request, or its reconsideration, waits for; made when it does, since nearly none has to. */
  #pending: Set<Waiting> | undefined;
  #isOver = false;

  constructor(policy: RequestPolicy, canonical: RequestHead) {
    this.#policy = policy;
    this.canonical = canonical;
  }

  /** Answers once: now, or when there is an answer to be had. The bodies wait as they do for a connection. */
  ask(asker: Asker): void {
    this.#take(this.#policy.decide(this.canonical), asker, () => this.#policy.decide(this.canonical));
  }

  /** Calls `then` when the request is not allowed any more. */
  recheck(then: (reply: LocalReply) => void): void {
    const again = (): Decision => this.#policy.reconsider?.(this.canonical) ?? this.#policy.decide(this.canonical);
    const onDecided = (decided: Decided): void => {
      if (decided.action === "reply") then(decided);
    };
    this.#take(again(), { onDecided }, again);
  }

  /** The request is over: nobody is told anything from now on. */
  end(): void {
    this.#isOver = true;
    if (this.#pending === undefined) return;
    for (const waiting of this.#pending) waiting.cancel?.();
    this.#pending = undefined;
  }

  #take(decision: Decision, asker: Asker, again: () => Decision): void {
    if (decision.action !== "wait") {
      asker.onDecided(decision);
      return;
    }
    this.#pending ??= new Set();
    this.#pending.add(decision);
    void decision.settled.then(() => {
      if (this.#isOver) return;
      this.#pending?.delete(decision);
      if (++this.#waits > maxWaits) asker.onDecided(undecided);
      else this.#take((decision.resume ?? again)(), asker, again);
    });
  }
}
