/**
 * Leases in a server: the holder has the streams of agents, the reporter tells the leader of them, the keeper is the leader's
 * clockwork. Agents come in by `open`, over the network or from the same process. Where nodes are travels the same way: a
 * server measures how long the leader takes to answer its reports, and its agents how long it takes to answer theirs.
 */
import type { Timer } from "../../lib/base/clock.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import { createOwnCoordinate, type OwnCoordinate } from "../../lib/client/own-coordinate.ts";
import type { LeaseListener as AgentListener, LeaseRequest, Subscription } from "../../lib/client/server-link.ts";
import type { Coordinate } from "../../lib/contract/coordinates.ts";
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

/** What an agent's stream needs. */
export interface LeasePort {
  open(member: MemberFields, listener: LeaseListener): HeldLease;
  /** The catalog as this server has it does not hold the member's node: true now and then, not every time. */
  isOutOfDate(member: MemberFields): boolean;
  /** What an agent that measures needs to know; undefined where no coordinates are wanted. */
  place(): { readonly coordinate: Coordinate; readonly members: number } | undefined;
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
  const { rateTarget } = settings;
  const writer = createCoordinateWriter({ log, reader, otherServers: options.otherServers, rateTarget, runtime });
  const report = (from: string, reported: LeaseReport): LeaseReportAnswer => {
    const answer = keeper.report(from, reported);
    const isTaken = writer.take(from, reported.placed) && answer.isKept;
    const members = reader.members().value.length;
    return { ...answer, coordinates: { isTaken, leader: own?.coordinate(), members } };
  };
  const reporter = createLeaseReporter({
    holder,
    leadership: () => log.leadership(),
    onLeadershipChange: (listener) => log.onLeadershipChange(listener),
    reportHere: (reported) => report(options.nodeId, reported),
    reportTo: measured(options, own, writer.allKnow),
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
    place: () => own && { coordinate: own.coordinate(), members: reader.members().value.length },
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
      const renewals = (): void => {
        timer = clock.after(renewalIntervalMs(request), () => {
          const decision = held.renew();
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
      keeper.close();
    },
  };
}

/** Reports to another leader tell how far it is away. The first one to an address may have waited for its connection. */
function measured(
  { reportTo, runtime: { clock } }: Pick<LeasesOptions, "reportTo" | "runtime">,
  own: OwnCoordinate | undefined,
  onAllKnow: () => void,
): LeasesOptions["reportTo"] {
  let connected = "";
  return async (address, report, signal) => {
    const isConnected = address === connected;
    connected = "";
    const sentMs = clock.monotonicMs();
    const answer = await reportTo(address, report, signal);
    const seconds = (clock.monotonicMs() - sentMs) / 1_000;
    connected = address;
    const coordinates = answer?.coordinates;
    if (coordinates?.isTaken === true) onAllKnow();
    const place = coordinates?.leader;
    if (isConnected && coordinates !== undefined && place !== undefined) {
      own?.measured({ peer: address, place, seconds, nodes: coordinates.members });
    }
    return answer;
  };
}
