/** The certificate of one service over time: issued, renewed early, re-issued under a new root, alarmed when it runs out. */
import { type Backoff, createBackoff } from "../../lib/base/backoff.ts";
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { LeafCertificate } from "../agent-api.ts";
import { chainEndsIn, type HostCertificate } from "./leaf-issue.ts";
import { type LeafSchedule, planRenewal } from "./leaf-schedule.ts";
import { createObserved, type Observed } from "./observed.ts";

/** Timers are set for an hour at most: longer ones overflow, and a host that slept would be late by its sleep. */
const maxTimerMs = 3_600_000;

export interface LeafEntryOptions {
  readonly service: string;
  readonly issue: () => Promise<HostCertificate>;
  /** Called in place of a renewal when nobody watches and nobody has asked for as long as a leaf lives. */
  readonly onIdle: () => void;
  /** The roots that sign at present. */
  readonly activeRoots: () => readonly string[];
  /** A new root makes the leaf new at a random point of this time. */
  readonly rootChangeSpreadMs: number;
  readonly countSignature: (result: "ok" | "error") => void;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly runtime: Runtime;
}

export interface LeafEntry {
  readonly leaf: Observed<LeafCertificate>;
  readonly schedule: () => LeafSchedule | undefined;
  /** Notes that somebody asked, which keeps the leaf renewed for one more life. */
  touch(): void;
  /** Resolves when there is a leaf that has not expired; rejects when the attempt under way or just made fails. */
  ready(): Promise<void>;
  /** Called when the roots have changed: issues again, soon, when the leaf was signed by none of the active ones. */
  followRoots(): void;
  close(): void;
}

export function createLeafEntry(options: LeafEntryOptions): LeafEntry {
  const { clock, random } = options.runtime;
  const logger = options.runtime.logger;
  const leaf = createObserved<LeafCertificate>(clock);
  const backoff: Backoff = createBackoff({ minDelayMs: options.retryMinMs, maxDelayMs: options.retryMaxMs, random });
  let schedule: LeafSchedule | undefined;
  let nextAttemptMs = 0;
  let isAlarmed = false;
  let usedAtMs = clock.nowMs();
  let underway: Promise<void> | undefined;
  let timer: Timer | undefined;
  let isClosed = false;

  const arm = (): void => {
    timer?.cancel();
    if (isClosed) return;
    const alarmMs = isAlarmed || schedule === undefined ? Number.POSITIVE_INFINITY : schedule.alarmAtMs;
    const delayMs = Math.min(nextAttemptMs, alarmMs) - clock.nowMs();
    timer = clock.after(Math.min(Math.max(delayMs, 0), maxTimerMs), onTimer);
  };

  const onTimer = (): void => {
    const nowMs = clock.nowMs();
    if (schedule !== undefined && !isAlarmed && nowMs >= schedule.alarmAtMs) raiseAlarm(schedule);
    if (nowMs < nextAttemptMs) {
      arm();
    } else if (isIdle()) {
      options.onIdle();
    } else {
      // A failure is logged and retried by the attempt itself.
      attempt().catch(() => undefined);
    }
  };

  const isIdle = (): boolean => {
    return leaf.listenerCount() === 0 && clock.nowMs() - usedAtMs >= (schedule?.lifeMs ?? 0);
  };

  const raiseAlarm = (of: LeafSchedule): void => {
    isAlarmed = true;
    const remainingSeconds = Math.round((of.expiresAtMs - clock.nowMs()) / 1000);
    logger.error("a leaf certificate is about to expire and could not be renewed", {
      service: options.service,
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
    try {
      accept(await options.issue());
      options.countSignature("ok");
      backoff.reset();
    } catch (thrown) {
      options.countSignature("error");
      const delayMs = backoff.nextDelayMs();
      nextAttemptMs = clock.nowMs() + delayMs;
      const fields = { service: options.service, retryInMs: Math.round(delayMs), error: errorMessage(thrown) };
      if (!isClosed) logger.warn("a leaf certificate could not be issued", fields);
      throw thrown;
    }
  };

  const accept = (issued: HostCertificate): void => {
    if (isClosed) throw new AtollError("UNAVAILABLE", "the agent is stopping");
    const index = Math.max(issued.modifyIndex, (leaf.current()?.index ?? 0) + 1);
    schedule = planRenewal({
      notBeforeMs: Date.parse(issued.notBefore),
      notAfterMs: Date.parse(issued.notAfter),
      nowMs: clock.nowMs(),
      random,
    });
    nextAttemptMs = schedule.renewAtMs;
    if (isAlarmed) logger.info("a leaf certificate was renewed after all", { service: options.service });
    isAlarmed = false;
    followRoots(issued.certPem);
    leaf.set({ ...issued, service: options.service, createIndex: index, modifyIndex: index }, index);
  };

  /** Also after every issue: the roots may have changed while the server signed with the old one. */
  const followRoots = (certPem = leaf.current()?.value.certPem): void => {
    const roots = options.activeRoots();
    if (certPem === undefined || roots.length === 0 || chainEndsIn(certPem, roots)) return;
    nextAttemptMs = Math.min(nextAttemptMs, clock.nowMs() + random.float() * options.rootChangeSpreadMs);
  };

  return {
    leaf,
    schedule: () => schedule,
    touch() {
      usedAtMs = clock.nowMs();
    },
    async ready() {
      if (schedule === undefined || clock.nowMs() >= schedule.expiresAtMs) await attempt();
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
