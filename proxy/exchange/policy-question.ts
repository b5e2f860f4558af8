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

  constructor(policy: RequestPolicy, canonical: RequestHead) {
    this.#policy = policy;
    this.canonical = canonical;
  }

  /** Answers once: now, or when there is an answer to be had. The bodies wait as they do for a connection. */
  ask(asker: Asker): void {
    const decision = this.#policy.decide(this.canonical);
    if (decision.action !== "wait") {
      asker.onDecided(decision);
      return;
    }
    void decision.settled.then(() => {
      if (++this.#waits > maxWaits) asker.onDecided(undecided);
      else this.ask(asker);
    });
  }

  /** Calls `then` when the request is not allowed any more. */
  recheck(then: (reply: LocalReply) => void): void {
    this.ask({
      onDecided: (decided) => {
        if (decided.action === "reply") then(decided);
      },
    });
  }
}
