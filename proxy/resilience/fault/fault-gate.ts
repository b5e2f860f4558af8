import type { FaultConfig } from "../../../lib/contract/proxy-fault.ts";
import type { Deadlines, Expiring } from "../../exchange/deadlines.ts";
import type { Refusal } from "../../exchange/local-reply.ts";
import * as own from "../../exchange/own-replies.ts";
import type { Decision, ForwardDecision, Gate, LocalReply, RouteEffects, Waiting } from "../../exchange/policy.ts";
import { timeLimitOf } from "../../exchange/time-limit.ts";
import { compileConditions, type RequestMatcher } from "../../match/request-match.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { StageContext } from "../stage-context.ts";
import { FaultPlan } from "./fault-plan.ts";
import { FaultTerm } from "./fault-term.ts";
import { LimitedResponse } from "./limited-response.ts";

/**
 * Injects the faults of one listener or route. It stands where Envoy's fault filter does, before whatever sends a request: one that is
 * answered here is never tried again, and a delay is over once, before the first try.
 */
export class FaultGate implements Gate {
  readonly config: FaultConfig;
  readonly term: FaultTerm;
  /** Held up, or with a response that is slowed down, at the moment. */
  active = 0;
  readonly #plan: FaultPlan;
  readonly #matches: RequestMatcher;
  readonly #context: StageContext;

  /** Comes into force now. */
  constructor(config: FaultConfig, context: StageContext) {
    this.config = config;
    this.#context = context;
    this.#plan = new FaultPlan(config);
    this.#matches = compileConditions({ headers: config.headers, methods: [] });
    this.term = new FaultTerm(config, context.clock);
  }

  decide(forwarded: ForwardDecision, canonical: RequestHead): Decision {
    if (this.term.isOver || !this.#matches(canonical)) return forwarded;
    const { random, counters } = this.#context;
    const delayMs = this.#plan.delayMs(canonical, random);
    const reply = this.#plan.abort(canonical, random);
    const limitKbps = reply === undefined ? this.#plan.limitKbps(canonical, random) : 0;
    if (delayMs === 0 && reply === undefined && limitKbps === 0) return forwarded;
    if (this.active >= this.config.maxActive) {
      counters.faultsOverflow++;
      return forwarded;
    }
    const next = (): ForwardDecision | LocalReply => {
      if (reply !== undefined) return this.#abort(reply, forwarded.route);
      return limitKbps > 0 ? this.#limit(forwarded, limitKbps) : forwarded;
    };
    return delayMs > 0 ? this.#delay(delayMs, forwarded, next) : next();
  }

  #abort(reply: Refusal, route: RouteEffects | undefined): LocalReply {
    this.#context.counters.faults.abort++;
    return route === undefined ? reply : { ...reply, route: new Unedited(route.name) };
  }

  #limit(forwarded: ForwardDecision, limitKbps: number): ForwardDecision {
    this.#context.counters.faults.bandwidth++;
    const { policy } = forwarded;
    const stage = { before: LimitedResponse.stage(limitKbps, this, this.#context) };
    const stages = [...(policy?.stages ?? []), stage];
    return { ...forwarded, policy: { timeoutMs: 0, retry: undefined, ...policy, stages } };
  }

  /** The time of a request goes on while it is held up; when that is over first, it is answered as late. */
  #delay(delayMs: number, forwarded: ForwardDecision, next: () => ForwardDecision | LocalReply): Waiting {
    const limit = timeLimitOf(forwarded.head, forwarded.policy);
    const late = limit.isClients ? own.deadlineExceeded : own.timedOut;
    const isLate = limit.ms <= delayMs;
    const held = new HeldRequest(Math.min(delayMs, limit.ms), this, this.#context.deadlines);
    this.#context.counters.faults.delay++;
    return {
      action: "wait",
      settled: held.settled,
      cancel: () => held.cancel(),
      resume: () => ({ ...(isLate ? late : next()), isDelayed: true }),
    };
  }
}

/** A route that says its name and leaves answers of the proxy as they are. */
class Unedited implements RouteEffects {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  editResponse<T>(head: T): T {
    return head;
  }
}

class HeldRequest implements Expiring {
  readonly settled: Promise<void>;
  readonly #gate: FaultGate;
  readonly #deadlines: Deadlines;
  #settle: () => void = () => undefined;
  #slot: number;

  constructor(ms: number, gate: FaultGate, deadlines: Deadlines) {
    this.#gate = gate;
    this.#deadlines = deadlines;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    gate.active++;
    this.#slot = deadlines.add(ms, this);
  }

  onDeadline(): void {
    this.#slot = -1;
    this.#gate.active--;
    this.#settle();
  }

  cancel(): void {
    if (this.#slot < 0) return;
    this.#deadlines.remove(this.#slot, this);
    this.#slot = -1;
    this.#gate.active--;
  }
}
