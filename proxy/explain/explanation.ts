import type { FaultConfig } from "../../lib/contract/proxy-fault.ts";
import type { HedgeConfig } from "../../lib/contract/proxy-hedge.ts";
import type { MirrorConfig } from "../../lib/contract/proxy-mirror.ts";
import type { RetryConfig } from "../../lib/contract/proxy-resilience.ts";

/** What a proxy would do with one request, and why. Plain data: printed as text or as JSON. */
export interface Explanation {
  readonly outcome: Outcome;
  readonly listener: ShownListener;
  /** The canonical request; absent when what was asked is none, and where requests are not read. */
  readonly request?: ShownRequest;
  /** The answer of the proxy itself, where every choice is one. */
  readonly reply?: ShownReply;
  readonly route?: ShownRoute;
  readonly intention?: ShownIntention;
  readonly choices: readonly ShownChoice[];
  /** What the document says of all this that is not the default. */
  readonly settings: readonly ShownSetting[];
  readonly notes: readonly string[];
}

/**
 * `forwarded`: at least one of the choices is an application's. `answered`: a redirect or the reply of a route. `refused`: an error of
 * the proxy. `undecided`: it depends on what is not known without a network.
 */
export type Outcome = "forwarded" | "answered" | "refused" | "undecided";

export interface ShownListener {
  readonly direction: "outbound" | "inbound";
  /** In the document. */
  readonly path: string;
  readonly service: string;
  readonly listen: string;
  readonly protocol: string;
}

export interface ShownRequest {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  /** What the rules for requests have made of the one that was asked. */
  readonly changes: readonly FieldChange[];
}

/** A field that is there before and not after is `removed`, and the other way round `added`; pseudo-fields are those of HTTP/2. */
export interface FieldChange {
  readonly change: "removed" | "added";
  readonly name: string;
  readonly value: string;
}

export interface ShownReply {
  readonly status: number;
  /** As it is counted, when it refuses the request. */
  readonly reason?: string;
  readonly location?: string;
  readonly text: string;
}

export interface ShownRoute {
  /** Of how many routes; -1 when none has matched. */
  readonly index: number;
  readonly count: number;
  readonly name: string;
  readonly path: string;
  /** What it matches, in words; empty when that is everything. */
  readonly matches: readonly string[];
}

export interface ShownIntention {
  readonly caller: string;
  readonly isAllowed: boolean;
  /** Let through only because the rule is tried out. */
  readonly isDryRun: boolean;
  /** As in the proxy's own answer. */
  readonly rule: string;
  /** What is wrong with the token. */
  readonly problem?: string;
}

/** One target of the route, or the only place where a request can go. */
export interface ShownChoice {
  /** Of the requests like this one, 0 to 1. */
  readonly share: number;
  readonly reply?: ShownReply;
  readonly to?: ShownDestination;
}

/** What is done to requests beside sending them on; absent is not at all. */
export interface ShownTreatment {
  readonly fault?: FaultConfig;
  readonly hedge?: HedgeConfig;
  readonly mirrors?: readonly MirrorConfig[];
}

export interface ShownDestination extends ShownTreatment {
  /** Of an outbound; `local_app` stands for the application. */
  readonly cluster: string;
  readonly subset?: Readonly<Record<string, string>>;
  /** From the canonical request to the one that is sent. */
  readonly changes: readonly FieldChange[];
  readonly timeouts: ShownTimeouts;
  readonly retry?: RetryConfig;
  readonly limits: ShownLimits;
  readonly balancing?: ShownBalancing;
  readonly endpoints: readonly ShownEndpoint[];
}

/** Milliseconds; 0 is none. */
export interface ShownTimeouts {
  readonly request: number;
  /** Of the client of a gRPC call. */
  readonly grpc?: number;
  readonly idle: number;
  readonly connect: number;
}

export interface ShownLimits {
  readonly clientConnections: number;
  readonly connectionsPerEndpoint: number;
}

export interface ShownBalancing {
  readonly policy: string;
  /** Of this request, where the policy goes by it. */
  readonly hash?: number;
  /** Where that leads. */
  readonly endpoint?: string;
}

export interface ShownEndpoint {
  readonly address: string;
  /** Where it is an instance of another service than its cluster's. */
  readonly service?: string;
  readonly weight: number;
  readonly priority: number;
  readonly zone: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Whether requests like this one can go there while everybody is well. */
  readonly isEligible: boolean;
  /** Why not, or what share its priority and zone have. */
  readonly because: string;
}

/** One value of the document, `path` as in `outbound[0].routes[2].forward.timeoutMs`. */
export interface ShownSetting {
  readonly path: string;
  readonly value: unknown;
}
