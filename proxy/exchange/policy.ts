import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { RetryBudget } from "../resilience/retry-budget.ts";
import type { RetryPolicy } from "../resilience/retry-policy.ts";
import type { RequestRefusal } from "../telemetry/http-counters.ts";
import type { Upstream } from "./ends.ts";

/** What happens to a request. */
export type Decision =
  /** `head` is what the upstream gets: the one that came, or an edited one. */
  | {
      readonly action: "forward";
      readonly upstream: Upstream;
      readonly head: RequestHead;
      readonly route?: RouteEffects;
      /** The name of the cluster, for those who watch. */
      readonly cluster?: string;
      readonly policy?: ForwardPolicy | undefined;
    }
  | LocalReply
  | Waiting;

/** Nobody knows yet: the policy is to be asked again when this is settled. It never rejects, and settles within seconds. */
export interface Waiting {
  readonly action: "wait";
  readonly settled: Promise<void>;
}

/** How long a request may take and what is done when it fails; absent where nothing is configured. */
export interface ForwardPolicy {
  /** From the head's arrival to the end of the response; 0 is none. */
  readonly timeoutMs: number;
  readonly retry: RetryRules | undefined;
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
}

/** Decides for the requests of one downstream connection. */
export interface RequestPolicy {
  decide(head: RequestHead): Decision;
}
