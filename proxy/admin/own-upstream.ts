import type { ResponseReceiver, Upstream, UpstreamStream, UpstreamWaiter } from "../exchange/ends.ts";
import type { Decision } from "../exchange/policy.ts";
import type { RequestHead } from "../message/request-head.ts";

/** Answers one request; what it does not need is nothing to it. Nothing is told to `receiver` before this returns. */
export type OpenAnswer = (head: RequestHead, receiver: ResponseReceiver) => UpstreamStream;

/** Answers a request with a response that takes its time: to the exchange it is one that goes to an upstream. */
export function answeredBy(head: RequestHead, open: OpenAnswer): Decision {
  return { action: "forward", upstream: new OwnUpstream(open), head };
}

class OwnUpstream implements Upstream {
  readonly #open: OpenAnswer;

  constructor(open: OpenAnswer) {
    this.#open = open;
  }

  acquire(waiter: UpstreamWaiter): void {
    waiter.onUpstream({ remoteAddress: "", send: (head, _isEnd, receiver) => this.#open(head, receiver) });
  }

  cancel(): void {
    // A connection is given at once, so nobody waits; a stream that is given up answers nobody.
  }
}
