/** Tells the leader once a second who has renewed a lease here, and at once when an agent comes or comes back. */
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Leadership } from "../log/replicated-log.ts";
import type { LeaseHolder } from "./lease-holder.ts";
import type { LeaseMetrics } from "./lease-metrics.ts";
import type { LeaseReport, LeaseReportAnswer } from "./lease-report.ts";

const intervalMs = 1_000;
/** Agents that come together share a report. */
const gatherMs = 20;
const callTimeoutMs = 2_000;
/** In vain for so long, and this server's agents had better ask another one: half of the shortest term of the defaults. */
const patienceMs = 4_000;
/** A leader of an older release does not take reports; it may be upgraded in place. */
const olderLeaderMs = 10_000;

export interface LeaseReporter {
  /** There is something that should not wait. */
  hasten(): void;
  close(): void;
}

export interface LeaseReporterOptions {
  readonly holder: LeaseHolder;
  readonly leadership: () => Leadership;
  readonly onLeadershipChange: (listener: () => void) => { close(): void };
  /** To this server's own keeper. */
  readonly reportHere: (report: LeaseReport) => LeaseReportAnswer;
  /** To the leader at `address`; undefined when its release does not know leases. */
  readonly reportTo: (
    address: string,
    report: LeaseReport,
    signal: AbortSignal,
  ) => Promise<LeaseReportAnswer | undefined>;
  readonly metrics: LeaseMetrics;
  readonly runtime: Runtime;
}

export function createLeaseReporter(options: LeaseReporterOptions): LeaseReporter {
  const { holder, metrics } = options;
  const { clock } = options.runtime;
  const logger = options.runtime.logger.child("leases");
  const stopping = new AbortController();
  let timer: Timer | undefined;
  let dueMs = Number.POSITIVE_INFINITY;
  let isReporting = false;
  let isHastened = false;
  let failingSinceMs: number | undefined;
  let hasWarned = false;

  const send = async (report: LeaseReport): Promise<LeaseReportAnswer | undefined> => {
    const { isLeader, leaderAddress } = options.leadership();
    if (isLeader) return options.reportHere(report);
    if (leaderAddress === "") throw new AtollError("NO_LEADER", "No cluster leader");
    const limit = new AbortController();
    const end = (): void => limit.abort();
    const deadline = clock.after(callTimeoutMs, end);
    stopping.signal.addEventListener("abort", end, { once: true });
    try {
      return await options.reportTo(leaderAddress, report, limit.signal);
    } finally {
      deadline.cancel();
      stopping.signal.removeEventListener("abort", end);
    }
  };

  const report = async (): Promise<number> => {
    metrics.setStreams(holder.size());
    const taken = holder.take();
    try {
      const answer = await send(taken);
      if (hasWarned) logger.info("a leader takes reports of leases again");
      hasWarned = false;
      failingSinceMs = undefined;
      if (answer === undefined) {
        holder.putBack(taken);
        return olderLeaderMs;
      }
      holder.settle(taken, answer);
      metrics.setReported(clock.nowMs());
    } catch (thrown) {
      holder.putBack(taken);
      fail(thrown);
    }
    return intervalMs;
  };

  const fail = (thrown: unknown): void => {
    const nowMs = clock.monotonicMs();
    failingSinceMs ??= nowMs;
    if (nowMs - failingSinceMs < patienceMs || stopping.signal.aborted) return;
    logger.warn("no leader takes reports of leases; agents are sent to other servers", { error: errorMessage(thrown) });
    failingSinceMs = nowMs;
    hasWarned = true;
    holder.endAll();
  };

  const arm = (delayMs: number): void => {
    const atMs = clock.monotonicMs() + delayMs;
    if (stopping.signal.aborted || atMs >= dueMs) return;
    timer?.cancel();
    dueMs = atMs;
    timer = clock.after(delayMs, () => {
      dueMs = Number.POSITIVE_INFINITY;
      if (isReporting) {
        isHastened = true;
        return;
      }
      isReporting = true;
      void report().then((nextMs) => {
        isReporting = false;
        arm(isHastened ? gatherMs : nextMs);
        isHastened = false;
      });
    });
  };

  // A new leader learns at once who is here.
  const changes = options.onLeadershipChange(() => arm(gatherMs));
  arm(gatherMs);
  return {
    hasten: () => arm(gatherMs),
    close() {
      stopping.abort();
      timer?.cancel();
      changes.close();
    },
  };
}
