import { createSeededRandom } from "../../../lib/base/random.ts";
import { type Expectation, expectations, isAllowed, isLate, isMet, type Sent } from "./expectation.ts";
import { type Answered, startPolicyLoad } from "./policy-load.ts";
import { startPolicyMesh } from "./policy-mesh.ts";
import { firstPolicies, host, type Policies } from "./policy-model.ts";
import { RandomChanges } from "./random-changes.ts";

export interface PolicyChangesOptions {
  readonly seed: number;
  readonly changes: number;
  /** Requests of each caller over each protocol after every change, before the next one. */
  readonly requestsBetween: number;
  /** Requests under way of each caller over each protocol. */
  readonly loops: number;
}

export interface PolicyChangesResult {
  readonly sent: number;
  /** Answers by what they were, as the policies say: `200 application`, `200 application, retried`, `403 proxy`. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly changes: Readonly<Record<string, number>>;
  /** What no policy says that was in force; the first of them with all that is known. */
  readonly failed: number;
  readonly failures: readonly string[];
}

const maxFailures = 10;

/**
 * Random changes of policies under load in real processes. Every answer is held to the policies in force between its sending and its arrival,
 * of which around a change either is right: what none of them says is a failure.
 */
export async function runPolicyChanges(options: PolicyChangesOptions): Promise<PolicyChangesResult> {
  const random = new RandomChanges(createSeededRandom(options.seed));
  const history: Policies[] = [firstPolicies];
  const judge = new Judge(history);
  const changes: Record<string, number> = {};
  const mesh = await startPolicyMesh(firstPolicies);
  const load = startPolicyLoad({
    ports: mesh.ports,
    seed: options.seed,
    host,
    loops: options.loops,
    onAnswered: (answered) => judge.take(answered),
  });
  try {
    await load.passes(options.requestsBetween);
    for (let number = 1; number <= options.changes; number++) {
      const { side, what, policies } = random.next(history.at(-1) ?? firstPolicies);
      changes[what] = (changes[what] ?? 0) + 1;
      history.push(policies);
      await load.begin(number);
      await mesh.apply(side, policies);
      await load.end(number);
      await load.passes(options.requestsBetween);
    }
  } finally {
    await load.stop();
    await mesh.stop();
  }
  return { sent: judge.sent, outcomes: judge.outcomes, changes, failed: judge.failed, failures: judge.failures };
}

/** Holds answers to the policies that may have been in force: `history[k]` since change `k`. */
export class Judge {
  readonly outcomes: Record<string, number> = {};
  readonly failures: string[] = [];
  sent = 0;
  failed = 0;
  readonly #history: readonly Policies[];

  constructor(history: readonly Policies[]) {
    this.#history = history;
  }

  take(answered: Answered): void {
    this.sent++;
    const outcome = this.#outcomeOf(answered) ?? "failed for another reason than the policy says";
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }

  #outcomeOf(answered: Answered): string | undefined {
    const { sent, got } = answered;
    const possible = this.#possible(answered);
    const met = possible.flatMap((policies) => expectations(policies, sent)).find((one) => isMet(one, got));
    if (met !== undefined) return `${met.status} ${met.by}${isRetried(met, sent) ? ", retried" : ""}`;
    if (possible.some((policies) => isLate(policies, sent, got))) return "504 late";
    // Whom a change denies is cut off, be it in the middle of the answer.
    const allowed = possible.map((policies) => isAllowed(policies, sent));
    if (got.error !== "" && allowed.includes(true) && allowed.includes(false)) return "cut off by a denial";
    this.failed++;
    if (this.failures.length < maxFailures) this.failures.push(describe(answered, possible));
    return undefined;
  }

  /** The sides change one after the other: the caller's policies of one moment may meet the called one's of another. */
  #possible({ from, to }: Answered): Policies[] {
    const inForce = this.#history.slice(from, to + 1);
    return inForce.flatMap(({ caller }) => inForce.map(({ callee }) => ({ caller, callee })));
  }
}

/** Only at a second try does the application answer such a request. */
function isRetried({ by, status }: Expectation, { does }: Sent): boolean {
  return by === "application" && does === "flaky" && status === 200;
}

function describe({ protocol, sent, got, from, to }: Answered, possible: readonly Policies[]): string {
  const expected: Expectation[] = possible.flatMap((policies) => expectations(policies, sent));
  const known = { protocol, from, to, sent, got, expected, policies: possible };
  return JSON.stringify(known);
}
