import type { RequestHead } from "../message/request-head.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import type { ForwardPolicy } from "./policy.ts";

/** The time of one exchange from its beginning on: what the client of a gRPC call gives it, or the policy. */
export class TimeLimit {
  readonly #ms: number;
  readonly #isClients: boolean;
  readonly #startedMs: number;
  readonly #deadlines: Deadlines;
  #slot: number;

  private constructor(ms: number, isClients: boolean, startedMs: number, deadlines: Deadlines, owner: Expiring) {
    this.#ms = ms;
    this.#isClients = isClients;
    this.#startedMs = startedMs;
    this.#deadlines = deadlines;
    this.#slot = deadlines.add(ms, owner);
  }

  /** Undefined where nobody has set one. */
  static of(
    { grpc, grpcTimeoutMs }: RequestHead,
    policy: ForwardPolicy | undefined,
    { startedMs, deadlines, owner }: { startedMs: number; deadlines: Deadlines; owner: Expiring },
  ): TimeLimit | undefined {
    const clientsMs = grpc !== "" && grpcTimeoutMs > 0 ? grpcTimeoutMs : Number.POSITIVE_INFINITY;
    const policyMs = policy !== undefined && policy.timeoutMs > 0 ? policy.timeoutMs : Number.POSITIVE_INFINITY;
    const ms = Math.min(clientsMs, policyMs);
    if (ms === Number.POSITIVE_INFINITY) return undefined;
    return new TimeLimit(ms, clientsMs <= policyMs, startedMs, deadlines, owner);
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
