import type { RequestHead } from "../message/request-head.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import type { ForwardPolicy } from "./policy.ts";

/** Deadlines are more than 0. */
const shortestMs = 0.001;

/** The time that a request has, Infinity where nobody has set one, and whether its client has. */
export function timeLimitOf(
  { grpc, grpcTimeoutMs }: RequestHead,
  policy: ForwardPolicy | undefined,
): { readonly ms: number; readonly isClients: boolean } {
  const clientsMs = grpc !== "" && grpcTimeoutMs > 0 ? grpcTimeoutMs : Number.POSITIVE_INFINITY;
  const policyMs = policy !== undefined && policy.timeoutMs > 0 ? policy.timeoutMs : Number.POSITIVE_INFINITY;
  return clientsMs <= policyMs ? { ms: clientsMs, isClients: true } : { ms: policyMs, isClients: false };
}

interface LimitedRequest {
  readonly startedMs: number;
  readonly owner: Expiring;
}

interface TimeLimitContext {
  readonly monotonicMs: () => number;
  readonly deadlines: Deadlines;
}

/** The time of one exchange from its beginning on: what the client of a gRPC call gives it, or the policy. */
export class TimeLimit {
  readonly #ms: number;
  readonly #isClients: boolean;
  readonly #startedMs: number;
  readonly #deadlines: Deadlines;
  #slot: number;

  private constructor(
    { ms, isClients }: { readonly ms: number; readonly isClients: boolean },
    { startedMs, owner }: LimitedRequest,
    { monotonicMs, deadlines }: TimeLimitContext,
  ) {
    this.#ms = ms;
    this.#isClients = isClients;
    this.#startedMs = startedMs;
    this.#deadlines = deadlines;
    // What came before, such as a policy that took its time, counts as well.
    this.#slot = deadlines.add(Math.max(shortestMs, this.leftMs(monotonicMs())), owner);
  }

  /** Undefined where nobody has set one. */
  static of(
    head: RequestHead,
    policy: ForwardPolicy | undefined,
    request: LimitedRequest,
    context: TimeLimitContext,
  ): TimeLimit | undefined {
    // The usual case: no object for it.
    if ((policy === undefined || policy.timeoutMs <= 0) && (head.grpc === "" || head.grpcTimeoutMs <= 0))
      return undefined;
    return new TimeLimit(timeLimitOf(head, policy), request, context);
  }

  /** As what a request is counted that has had its time. */
  get reason(): "grpc_deadline" | "request_timeout" {
    return this.#isClients ? "grpc_deadline" : "request_timeout";
  }

  leftMs(nowMs: number): number {
    return this.#ms - (nowMs - this.#startedMs);
  }

  /** The exchange is over. */
  end(owner: Expiring): void {
    if (this.#slot >= 0) this.#deadlines.remove(this.#slot, owner);
    this.#slot = -1;
  }

  /** Its time has come, and `Deadlines` has let go of it. */
  expire(): void {
    this.#slot = -1;
  }
}
