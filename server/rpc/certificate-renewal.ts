import type { Clock, Timer } from "../../lib/base/clock.ts";
import type { ServerCertificate } from "../ca/authority.ts";
import { halfLifeMs } from "../ca/own-certificate.ts";

/** Timers are set for an hour at most: longer ones overflow, and a machine that slept would be late by its sleep. */
const maxTimerMs = 3_600_000;

/** Calls `renew` at half of each certificate's life, and when told to, until closed. */
export function renewAtHalfLife(options: {
  readonly certificate: ServerCertificate;
  readonly renew: () => ServerCertificate;
  readonly clock: Clock;
}): { renewNow(): void; close(): void } {
  let timer: Timer;
  let dueMs = halfLifeMs(options.certificate);
  const arm = (): void => {
    timer = options.clock.after(Math.min(Math.max(dueMs - options.clock.nowMs(), 0), maxTimerMs), () => {
      if (options.clock.nowMs() >= dueMs) dueMs = halfLifeMs(options.renew());
      arm();
    });
  };
  arm();
  return {
    renewNow() {
      timer.cancel();
      dueMs = halfLifeMs(options.renew());
      arm();
    },
    close: () => timer.cancel(),
  };
}
