import type { Clock } from "../../lib/base/clock.ts";
import type { Authority, ServerCertificate } from "./authority.ts";

/**
 * How long a server goes on with a certificate of the root before after a new one has signed: a server that lags behind knows
 * only that one, and would refuse the new certificate.
 */
const settleMs = 10_000;

/** The certificate that a server shows to those it calls, replaced at half of its life and some time after the root has changed. */
export function createOwnCertificate(options: {
  readonly authority: Pick<Authority, "issueServerCertificate" | "rootId">;
  readonly clock: Clock;
}): () => ServerCertificate {
  const { authority, clock } = options;
  let certificate: ServerCertificate | undefined;
  let newRootSinceMs: number | undefined;

  const isOutdated = (current: ServerCertificate): boolean => {
    if (clock.nowMs() >= halfLifeMs(current)) return true;
    if (current.rootId === authority.rootId) return false;
    newRootSinceMs ??= clock.monotonicMs();
    return clock.monotonicMs() - newRootSinceMs >= settleMs;
  };
  return () => {
    if (certificate === undefined || isOutdated(certificate)) {
      certificate = authority.issueServerCertificate();
      newRootSinceMs = undefined;
    }
    return certificate;
  };
}

/** When a certificate is to be replaced, in milliseconds of the wall clock. */
export function halfLifeMs({ notBefore, notAfter }: ServerCertificate): number {
  return (Date.parse(notBefore) + Date.parse(notAfter)) / 2;
}
