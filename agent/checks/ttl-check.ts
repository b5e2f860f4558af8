import type { Clock, Timer } from "../../lib/base/clock.ts";
import type { ProbeResult } from "./probe-result.ts";

/**
 * A check that others keep alive: every heartbeat sets its status and starts the time to live again; when that runs out
 * the check is critical and shows what was said last.
 */
export interface TtlCheck {
  heartbeat(result: ProbeResult): void;
  stop(): void;
}

export type TtlLife = { readonly kind: "running"; readonly remainingMs: number } | { readonly kind: "expired" };

export interface TtlCheckOptions {
  readonly clock: Clock;
  readonly ttlMs: number;
  /** What is left of its life after a restart of the agent; `expired` waits for a heartbeat. */
  readonly life: TtlLife;
  readonly lastOutput: () => string;
  readonly report: (result: ProbeResult) => void;
  /** Called with the wall clock at which the check expires if nothing more comes. */
  readonly onExpiryMoved: (expiresAtMs: number) => void;
}

export function startTtlCheck(options: TtlCheckOptions): TtlCheck {
  const { clock, ttlMs } = options;
  let timer: Timer | undefined;
  const expire = (): void => {
    const last = options.lastOutput();
    options.report({ status: "critical", output: `TTL expired (last output before timeout follows): ${last}` });
  };
  const arm = (delayMs: number): void => {
    timer = clock.after(delayMs, expire);
  };
  if (options.life.kind === "running") arm(Math.min(Math.max(0, options.life.remainingMs), ttlMs));
  return {
    heartbeat(result) {
      timer?.cancel();
      arm(ttlMs);
      options.report(result);
      options.onExpiryMoved(clock.nowMs() + ttlMs);
    },
    stop: () => timer?.cancel(),
  };
}
