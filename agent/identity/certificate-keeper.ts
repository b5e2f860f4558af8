/** The certificate of one identity over time: issued, renewed early, re-issued under a new root, alarmed when it runs out. */
import { type Backoff, createBackoff } from "../../lib/base/backoff.ts";
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { isSignedByAny, type HostCertificate } from "./host-certificate.ts";
import { type RenewalPlan, planRenewal } from "./renewal-plan.ts";
import { createObserved, type Observed } from "./observed.ts";

/** Timers are set for an hour at most: longer ones overflow, and a host that slept would be late by its sleep. */
const maxTimerMs = 3_600_000;

export interface CertificateKeeperOptions {
  /** For log lines: `service web`, `agent of node a`. */
  readonly name: string;
  /** One that is there already, from an earlier run. */
  readonly initial?: HostCertificate;
  readonly issue: () => Promise<HostCertificate>;
  /** Called in place of a renewal when nobody watches and nobody has asked for as long as a certificate lives. */
  readonly onIdle: () => void;
  /** The roots that sign at present. */
  readonly activeRoots: () => readonly string[];
  /** A new root makes the certificate new at a random point of this time. */
  readonly rootChangeSpreadMs: number;
  readonly countSignature: (result: "ok" | "error") => void;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly runtime: Runtime;
}

export interface CertificateKeeper {
  readonly certificate: Observed<HostCertificate>;
  readonly plan: () => RenewalPlan | undefined;
  /** Notes that somebody asked, which keeps the certificate renewed for one more life. */
  touch(): void;
  /** Resolves when there is a certificate that has not expired; rejects when the attempt under way, or the one just made, fails. */
  ready(): Promise<void>;
  /** Called when the roots have changed: issues again, soon, when the certificate was signed by none of the active ones. */
  followRoots(): void;
  close(): void;
}

export function createCertificateKeeper(options: CertificateKeeperOptions): CertificateKeeper {
  const { clock, random } = options.runtime;
  const logger = options.runtime.logger;
  const certificate = createObserved<HostCertificate>(clock);
  const backoff: Backoff = createBackoff({ minDelayMs: options.retryMinMs, maxDelayMs: options.retryMaxMs, random });
  let plan: RenewalPlan | undefined;
  let nextAttemptMs = 0;
  let isAlarmed = false;
  let usedAtMs = clock.nowMs();
  let underway: Promise<void> | undefined;
  let timer: Timer | undefined;
  let isClosed = false;

  const arm = (): void => {
    timer?.cancel();
    if (isClosed) return;
    const alarmMs = isAlarmed || plan === undefined ? Number.POSITIVE_INFINITY : plan.alarmAtMs;
    const delayMs = Math.min(nextAttemptMs, alarmMs) - clock.nowMs();
    timer = clock.after(Math.min(Math.max(delayMs, 0), maxTimerMs), onTimer);
  };

  const onTimer = (): void => {
    const nowMs = clock.nowMs();
    if (plan !== undefined && !isAlarmed && nowMs >= plan.alarmAtMs) raiseAlarm(plan);
    if (nowMs < nextAttemptMs) {
      arm();
    } else if (isIdle()) {
      options.onIdle();
    } else {
      // A failure is logged and retried by the attempt itself.
      attempt().catch(() => undefined);
    }
  };

  const isIdle = (): boolean => certificate.listenerCount() === 0 && clock.nowMs() - usedAtMs >= (plan?.lifeMs ?? 0);

  const raiseAlarm = (of: RenewalPlan): void => {
    isAlarmed = true;
    const remainingSeconds = Math.round((of.expiresAtMs - clock.nowMs()) / 1000);
    logger.error("a certificate is about to expire and could not be renewed", {
      certificate: options.name,
      remainingSeconds,
    });
  };

  const attempt = (): Promise<void> => {
    timer?.cancel();
    underway ??= issueOnce().finally(() => {
      underway = undefined;
      arm();
    });
    return underway;
  };

  const issueOnce = async (): Promise<void> => {
    const issued = await options.issue().catch((thrown: unknown) => {
      options.countSignature("error");
      const delayMs = backoff.nextDelayMs();
      nextAttemptMs = clock.nowMs() + delayMs;
      const fields = { certificate: options.name, retryInMs: Math.round(delayMs), error: errorMessage(thrown) };
      if (!isClosed) logger.warn("a certificate could not be issued", fields);
      throw thrown;
    });
    if (isClosed) throw new AtollError("UNAVAILABLE", "the agent is stopping");
    options.countSignature("ok");
    backoff.reset();
    if (isAlarmed) logger.info("a certificate was renewed after all", { certificate: options.name });
    accept(issued);
  };

  const accept = (issued: HostCertificate): void => {
    plan = planRenewal({
      notBeforeMs: Date.parse(issued.notBefore),
      notAfterMs: Date.parse(issued.notAfter),
      nowMs: clock.nowMs(),
      random,
    });
    nextAttemptMs = plan.renewAtMs;
    isAlarmed = false;
    followRoots(issued.certPem);
    certificate.set(issued, issued.modifyIndex);
  };

  /** Also after every issue: the roots may have changed while the server signed with the old one. */
  const followRoots = (certPem = certificate.current()?.value.certPem): void => {
    const roots = options.activeRoots();
    if (certPem === undefined || roots.length === 0 || isSignedByAny(certPem, roots)) return;
    nextAttemptMs = Math.min(nextAttemptMs, clock.nowMs() + random.float() * options.rootChangeSpreadMs);
  };

  if (options.initial !== undefined) {
    accept(options.initial);
    arm();
  }
  return {
    certificate,
    plan: () => plan,
    touch() {
      usedAtMs = clock.nowMs();
    },
    async ready() {
      if (plan === undefined || clock.nowMs() >= plan.expiresAtMs) await attempt();
    },
    followRoots() {
      followRoots();
      if (underway === undefined) arm();
    },
    close() {
      isClosed = true;
      timer?.cancel();
    },
  };
}
