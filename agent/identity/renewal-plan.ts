import type { Random } from "../../lib/base/random.ts";

export interface RenewalPlan {
  readonly renewAtMs: number;
  /** From here on less than 20 % of the life is left: somebody should look. */
  readonly alarmAtMs: number;
  readonly expiresAtMs: number;
  readonly lifeMs: number;
}

/**
 * When a certificate is renewed: at a random point of 50 to 70 % of its life, so that a fleet started at once does not
 * renew at once. Never within 5 % of its life from now: on a host whose clock is ahead every new certificate looks old
 * already, and renewing it at once would go round in circles.
 */
export function planRenewal(options: {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly nowMs: number;
  readonly random: Random;
}): RenewalPlan {
  const lifeMs = options.notAfterMs - options.notBeforeMs;
  const atMs = options.notBeforeMs + lifeMs * (0.5 + 0.2 * options.random.float());
  return {
    renewAtMs: Math.max(atMs, options.nowMs + lifeMs / 20),
    alarmAtMs: options.notBeforeMs + lifeMs * 0.8,
    expiresAtMs: options.notAfterMs,
    lifeMs,
  };
}
