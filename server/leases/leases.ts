/**
 * Leases in a server: the holder has the streams of agents, the reporter tells the leader of them, the keeper is the leader's
 * clockwork. Agents come in by `open`, over the network or from the same process. Where nodes are travels the same way, and
 * what they need to measure it comes back: the address of a server, in turn, and where that one is.
 */
import type { Timer } from "../../lib/base/clock.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import { createOwnCoordinate } from "../../lib/client/own-coordinate.ts";
import type { LeaseListener as AgentListener, LeaseRequest, Subscription } from "../../lib/client/server-link.ts";
import { type CoordinateSettings, defaultCoordinateSettings } from "../../lib/contract/coordinate-settings.ts";
import { type MemberFields, renewalIntervalMs } from "../../lib/contract/members.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { StateReader } from "../state/reader.ts";
import { createCoordinateWriter } from "./coordinate-writer.ts";
import { createLeaseHolder, type HeldLease, type LeaseHolder, type LeaseListener } from "./lease-holder.ts";
import { createLeaseKeeper, type LeaseKeeper } from "./lease-keeper.ts";
import { createLeaseMetrics } from "./lease-metrics.ts";
import type { LeaseReport, LeaseReportAnswer } from "./lease-report.ts";
import { createLeaseReporter } from "./lease-reporter.ts";
import { createReferences, type NamedReference } from "./references.ts";

/** What an agent's stream needs. */
export interface LeasePort {
  open(member: MemberFields, listener: LeaseListener): HeldLease;
  /** The catalog as this server has it does not hold the member's node: true now and then, not every time. */
  isOutOfDate(member: MemberFields): boolean;
  /** A server that an agent may measure its way to, another for another turn; undefined where no coordinates are wanted. */
  reference(turn: number): NamedReference | undefined;
}

export interface Leases extends LeasePort, Pick<LeaseKeeper, "forceLeave"> {
  /** The lease of the agent in this process. `rpcPort` is where this server listens. */
  holdOwn(request: LeaseRequest, rpcPort: number, listener: AgentListener): Subscription;
  /** For the RPC listener: what another server reports. */
  report(from: string, report: LeaseReport): LeaseReportAnswer;
  close(): void;
}

export interface LeasesOptions {
  readonly nodeId: string;
  readonly log: ReplicatedLog;
  readonly reader: StateReader;
  readonly otherServers: () => readonly string[];
  readonly reportTo: (
    address: string,
    report: LeaseReport,
    signal: AbortSignal,
  ) => Promise<LeaseReportAnswer | undefined>;
  /** Absent: Consul's defaults. */
  readonly coordinates?: CoordinateSettings;
  readonly runtime: MeteredRuntime;
}

/** An agent needs a moment to bring its node back; it is not told again meanwhile. */
const outOfDateRestMs = 10_000;

export function startLeases(options: LeasesOptions): Leases {
  const { log, reader, runtime } = options;
  const { clock } = runtime;
  const metrics = createLeaseMetrics(runtime.metrics);
  const keeper = createLeaseKeeper({ log, reader, otherServers: options.otherServers, metrics, runtime });
  const holder: LeaseHolder = createLeaseHolder({
    onNews: () => reporter.hasten(),
    isUrgent: ({ ID }) => reader.memberById(ID)?.Status === "failed",
  });
  const settings = options.coordinates ?? defaultCoordinateSettings;
  const own = settings.isEnabled ? createOwnCoordinate({ settings, isServer: true, runtime }) : undefined;
  const references = createReferences(reader);
  const { rateTarget } = settings;
  const writer = createCoordinateWriter({ log, reader, otherServers: options.otherServers, rateTarget, runtime });
  const report = (from: string, reported: LeaseReport): LeaseReportAnswer => {
    const answer = keeper.report(from, reported);
    return { ...answer, takesCoordinates: writer.take(from, reported.placed) && answer.isKept };
  };
  const reporter = createLeaseReporter({
    holder,
    leadership: () => log.leadership(),
    onLeadershipChange: (listener) => log.onLeadershipChange(listener),
    reportHere: (reported) => report(options.nodeId, reported),
    async reportTo(address, reported, signal) {
      const answer = await options.reportTo(address, reported, signal);
      if (answer?.takesCoordinates === true) writer.allKnow();
      return answer;
    },
    metrics,
    runtime,
  });
  const toldMs = new WeakMap<MemberFields, number>();

  const isOutOfDate = (member: MemberFields): boolean => {
    if (reader.node(member.Node).value?.ID === member.ID) return false;
    const nowMs = clock.monotonicMs();
    if (nowMs - (toldMs.get(member) ?? Number.NEGATIVE_INFINITY) < outOfDateRestMs) return false;
    toldMs.set(member, nowMs);
    return true;
  };
  const open: LeasePort["open"] = (member, listener) => {
    const held = holder.open(member, listener);
    return {
      renew() {
        metrics.renewed();
        return held.renew();
      },
      place: held.place,
      close: held.close,
    };
  };

  return {
    open,
    isOutOfDate,
    reference: (turn) => (own === undefined ? undefined : references.at(turn)),
    forceLeave: keeper.forceLeave,
    report,
    holdOwn(request, rpcPort, { onAnswer, onDown }) {
      const member: MemberFields = { ...request, Port: rpcPort, Role: "consul" };
      const held = open(member, {
        onDecision: (decision) => onAnswer({ ...decision, isOutOfDate: false }),
        // There is no other server to go to: it waits for a leader.
        onEnd: onDown,
      });
      let timer: Timer;
      let turn = 0;
      /** A server measures its way to the others, as agents do to all. */
      const measure = (): void => {
        if (own?.wantsReference() !== true) return;
        const found = references.at(turn++, ({ ID }) => ID !== request.ID);
        if (found !== undefined) own.measure(found, found.members);
      };
      const renewals = (): void => {
        timer = clock.after(renewalIntervalMs(request), () => {
          const decision = held.renew();
          measure();
          const news = own?.news();
          if (news !== undefined) held.place(news);
          if (decision.isGiven && isOutOfDate(member)) onAnswer({ ...decision, isOutOfDate: true });
          renewals();
        });
      };
      renewals();
      return {
        close() {
          timer.cancel();
          held.close();
        },
      };
    },
    close() {
      reporter.close();
      writer.close();
      own?.close();
      keeper.close();
    },
  };
}
