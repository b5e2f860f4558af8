import Value from "typebox/value";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { type BalancerConfig, BalancerSchema } from "../../../lib/contract/proxy-cluster.ts";
import { Balancer } from "../../../proxy/balance/balancer.ts";
import type { Candidate } from "../../../proxy/balance/candidate.ts";
import { LatencyEstimate } from "../../../proxy/balance/latency-estimate.ts";

/** A candidate whose every property a test can set. */
export class TestCandidate implements Candidate {
  readonly address: string;
  weight = 1;
  zone = "";
  priority = 0;
  tags: Readonly<Record<string, string>> = {};
  isHealthy = true;
  activeCount = 0;
  isSuspect = false;
  backoffUntilMs = 0;
  joinedAtMs = Number.NEGATIVE_INFINITY;
  latency = new LatencyEstimate(30, 0);

  constructor(number: number, more: Partial<TestCandidate> = {}) {
    this.address = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}:20000`;
    Object.assign(this, more);
  }
}

export const nobody: ReadonlySet<TestCandidate> = new Set();
export const policies = ["least-request", "peak-ewma", "random", "round-robin", "ring-hash", "maglev"] as const;

export function balancerConfig(more: Partial<BalancerConfig> = {}): BalancerConfig {
  return Value.Parse(BalancerSchema, { ...Value.Parse(BalancerSchema, Value.Default(BalancerSchema, {})), ...more });
}

export function candidates(count: number, more: (i: number) => Partial<TestCandidate> = () => ({})): TestCandidate[] {
  return Array.from({ length: count }, (_, i) => new TestCandidate(i, more(i)));
}

/** A balancer with a clock that a test moves and randomness from a seed. */
export class BalanceWorld {
  nowMs = 0;
  readonly random: () => number;
  readonly balancer: Balancer<TestCandidate>;

  constructor(seed: string, config: Partial<BalancerConfig>, list: readonly TestCandidate[]) {
    this.random = createSeededRandom(Number(seed)).float;
    this.balancer = new Balancer<TestCandidate>(balancerConfig(config), {
      nowMs: () => this.nowMs,
      random: this.random,
    });
    this.balancer.update(list);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** One choice, with a hash of its own. */
  pick(excluded = nobody): TestCandidate | undefined {
    return this.balancer.pick(excluded, this.below(2 ** 32));
  }

  /** How often each is chosen. */
  shares(picks: number): Map<TestCandidate, number> {
    const counts = new Map<TestCandidate, number>();
    for (let i = 0; i < picks; i++) {
      const picked = this.pick();
      if (picked !== undefined) counts.set(picked, (counts.get(picked) ?? 0) + 1);
    }
    return counts;
  }
}

/** Fails unless `count` of `picks` is what `share` makes likely: within five standard deviations of a binomial, and `slack` more. */
export function expectShare(
  count: number,
  picks: number,
  { share, slack = 0 }: { share: number; slack?: number },
): void {
  const bound = 5 * Math.sqrt(picks * share * (1 - share)) + slack * picks * share + 1;
  if (Math.abs(count - picks * share) > bound) {
    throw new Error(`${count} of ${picks} were chosen, expected ${picks * share} +- ${bound}`);
  }
}
