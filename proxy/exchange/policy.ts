import type { SubsetSelector } from "../balance/subset.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { RetryBudget } from "../resilience/retry-budget.ts";
import type { RetryPolicy } from "../resilience/retry-policy.ts";
import type { RequestRefusal } from "../telemetry/http-counters.ts";
import type { Upstream } from "./ends.ts";
import type { Observation } from "./observation.ts";

/** What happens to a request. */
export type Decision = ForwardDecision | LocalReply | Waiting;

export interface ForwardDecision {
  readonly action: "forward";
  readonly upstream: Upstream;
  /** What the upstream gets: the one that came, or an edited one. */
  readonly head: RequestHead;
  readonly route?: RouteEffects | undefined;
  /** The name of the cluster, for those who watch. */
  readonly cluster?: string;
  readonly policy?: ForwardPolicy | undefined;
  /** Which of the cluster's endpoints a route's target is for; absent for all. */
  readonly subset?: SubsetSelector | undefined;
  /** A fault has held the request up. */
  readonly isDelayed?: boolean;
}

/** Nobody knows yet. */
export interface Waiting {
  readonly action: "wait";
  /** Never rejects, and settles within seconds. */
  readonly settled: Promise<void>;
  /** The decision, once it is settled; the policy is asked again where this is absent. */
  readonly resume?: () => Decision;
  /** Nobody needs to know any more: the request is over. */
  readonly cancel?: () => void;
}

/** How long a request may take and what is done when it fails; absent where nothing is configured. */
export interface ForwardPolicy {
  /** From the head's arrival to the end of the response; 0 is none. */
  readonly timeoutMs: number;
  readonly retry: RetryRules | undefined;
  /** In the place of the listener's `streamIdleTimeoutMs`; infinite where nothing is ended for that. */
  readonly idleTimeoutMs?: number | undefined;
  /** What stands between each request and its upstream, the outermost last. */
  readonly stages?: readonly Stage[];
  /** Who has the last word, before there is an upstream. */
  readonly gate?: Gate;
}

/** Decides about a request once more, when all else is decided: holds it up, answers it, or lets it pass. */
export interface Gate {
  /** `canonical` is the head that was matched, before it was edited for the upstream. */
  decide(forwarded: ForwardDecision, canonical: RequestHead): Decision;
}

/** Stands before an upstream to do something to the requests that go there: delays, copies, limits them. */
export interface Stage {
  /**
   * What this one request is given in the place of `upstream`; `upstream` itself when there is nothing to do. `observed`, where somebody
   * watches, is the request's until it has been answered, lost or called off.
   */
  before(upstream: Upstream, head: RequestHead, observed?: Observation): Upstream;
}

/** When a request is tried again; the budget is that of the cluster that it goes to. */
export interface RetryRules {
  readonly policy: RetryPolicy;
  readonly budget: RetryBudget;
}

/** The route that a request took, and what it does to the response. */
export interface RouteEffects {
  readonly name: string;
  /** The head itself when nothing is changed. */
  editResponse(head: ResponseHead): ResponseHead;
}

/** An answer of our own. */
export interface LocalReply {
  readonly action: "reply";
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** More of its fields: names in lower case and values, alternating. */
  readonly fields?: readonly string[];
  /** For a gRPC call, when the status of HTTP does not say it well enough. */
  readonly grpcStatus?: number;
  /** What it is counted as, when it refuses the request. */
  readonly reason?: RequestRefusal;
  /** The route whose answer it is. */
  readonly route?: RouteEffects;
  /** A fault has held the request up. */
  readonly isDelayed?: boolean;
}

/** Decides for the requests of one downstream connection. */
export interface RequestPolicy {
  decide(head: RequestHead): Decision;
  /**
   * Whether a request that was forwarded would still be: asked when the rules have changed, so nothing is spent, counted or left to
   * chance. As `decide` where it is absent.
   */
  reconsider?(head: RequestHead): Decision;
}

/**
 * For a policy that stands before another: what `next` makes of a request that the other's `decision` forwards, now or when that is
 * known. `again` asks the other one again.
 */
export function afterForward(
  decision: Decision,
  next: (forwarded: ForwardDecision) => Decision,
  again: () => Decision,
): Decision {
  if (decision.action === "reply") return decision;
  if (decision.action === "forward") return next(decision);
  return { ...decision, resume: () => afterForward((decision.resume ?? again)(), next, again) };
}
