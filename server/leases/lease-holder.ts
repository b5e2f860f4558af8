import { isDeepStrictEqual } from "node:util";
import type { Coordinate } from "../../lib/contract/coordinates.ts";
import type { MemberFields } from "../../lib/contract/members.ts";
import type { LeaseDecision, LeaseReport, LeaseReportAnswer, PlacedAgent } from "./lease-report.ts";

/**
 * The leases whose streams end at this server, its own agent's among them. It gathers what happened since the last report
 * to the leader; a renewal costs a flag. It judges nothing.
 */
export interface LeaseHolder {
  open(member: MemberFields, listener: LeaseListener): HeldLease;
  size(): number;
  /** What there is to report; `settle` or `putBack` has to follow. */
  take(): LeaseReport;
  /** The leader has taken the report. */
  settle(report: LeaseReport, answer: LeaseReportAnswer): void;
  /** The report did not arrive: its news are news again. */
  putBack(report: LeaseReport): void;
  /** No leader takes reports: those who hold a stream here are better off at another server. */
  endAll(): void;
}

export interface LeaseListener {
  /** The leader has decided, or decides otherwise. */
  readonly onDecision: (decision: LeaseDecision) => void;
  /** It cannot be held here. */
  readonly onEnd: (reason: string) => void;
}

export interface HeldLease {
  /** The agent was heard of; it is answered how things stand. */
  renew(): LeaseDecision;
  /** The agent said where its node is; the leader hears of it with the next report. */
  place(coordinate: Coordinate): void;
  close(): void;
}

export interface LeaseHolderOptions {
  /** There is something that should not wait for the next report. */
  readonly onNews: () => void;
  readonly isUrgent: (member: MemberFields) => boolean;
}

/**
 * Streams of one node: a second one while the end of the first has not been noticed, and as many again while two agents
 * want the same name. The oldest is ended when there are more.
 */
const maxPerNode = 4;
/** Coordinates in one report; more wait for the next one. */
const maxPlaced = 1_000;

interface Held {
  readonly member: MemberFields;
  readonly listener: LeaseListener;
  isAsked: boolean;
  isRenewed: boolean;
  /** What the leader has not been told yet. */
  place: Coordinate | undefined;
  decision: LeaseDecision;
}

const undecided: LeaseDecision = { isGiven: false, refusal: "" };

export function createLeaseHolder(options: LeaseHolderOptions): LeaseHolder {
  const leases = new Set<Held>();
  const byId = new Map<string, Set<Held>>();
  const byNode = new Map<string, Set<Held>>();
  /** Those with a place to tell of. */
  const moved = new Set<Held>();
  let isPlacing = true;

  const putBack = (report: LeaseReport): void => {
    putBackPlaces(report);
    for (const { ID } of report.asked) for (const held of all(ID)) held.isRenewed = true;
    for (const id of report.renewed) for (const held of all(id)) held.isRenewed = true;
  };
  /** What an agent has said since is newer. */
  const putBackPlaces = ({ placed = [] }: LeaseReport): void => {
    for (const { id, coordinate } of placed) {
      for (const held of all(id)) {
        held.place ??= coordinate;
        moved.add(held);
      }
    }
  };
  const takePlaces = (): PlacedAgent[] => {
    const placed: PlacedAgent[] = [];
    if (!isPlacing) return placed;
    for (const held of moved) {
      if (placed.length === maxPlaced) break;
      moved.delete(held);
      if (held.place !== undefined) placed.push({ id: held.member.ID, coordinate: held.place });
      held.place = undefined;
    }
    return placed;
  };
  const all = (id: string): Iterable<Held> => byId.get(id) ?? [];
  return {
    open(member, listener) {
      const held: Held = { member, listener, isAsked: true, isRenewed: true, place: undefined, decision: undecided };
      leases.add(held);
      byId.set(member.ID, (byId.get(member.ID) ?? new Set()).add(held));
      const ofNode = (byNode.get(member.Node) ?? new Set()).add(held);
      byNode.set(member.Node, ofNode);
      const [oldest] = ofNode;
      if (ofNode.size > maxPerNode) oldest?.listener.onEnd("this node has opened other streams since");
      options.onNews();
      return {
        renew() {
          held.isRenewed = true;
          // One that was taken for dead is back: that shall not wait.
          if (!held.isAsked && options.isUrgent(member)) options.onNews();
          return held.decision;
        },
        place(coordinate) {
          held.place = coordinate;
          if (leases.has(held)) moved.add(held);
        },
        close() {
          leases.delete(held);
          moved.delete(held);
          remove(byId, member.ID, held);
          remove(byNode, member.Node, held);
        },
      };
    },
    size: () => leases.size,
    take() {
      const asked: MemberFields[] = [];
      const renewed: string[] = [];
      for (const held of leases) {
        if (!held.isRenewed) continue;
        held.isRenewed = false;
        if (held.isAsked) asked.push(held.member);
        else renewed.push(held.member.ID);
      }
      return { asked, renewed, placed: takePlaces() };
    },
    settle(report, answer) {
      // Where the leader takes none, they wait here for as long as it does not.
      isPlacing = answer.takesCoordinates === true;
      if (!isPlacing) putBackPlaces(report);
      if (!answer.isKept) {
        putBack(report);
        return;
      }
      const refused = new Map(answer.refused.map(({ id, reason }) => [id, reason]));
      for (const { ID } of report.asked) {
        for (const held of all(ID)) {
          const refusal = refused.get(ID) ?? "";
          const decision = { isGiven: refusal === "", refusal };
          const isOther = !isDeepStrictEqual(decision, held.decision);
          held.decision = decision;
          // What is refused now may be given when the present holder is gone.
          held.isAsked = refusal !== "";
          held.isRenewed ||= held.isAsked;
          if (isOther) held.listener.onDecision(decision);
        }
      }
      for (const id of answer.unknown) {
        for (const held of all(id)) {
          held.isAsked = true;
          held.isRenewed = true;
        }
      }
      if (answer.unknown.length > 0) options.onNews();
    },
    putBack,
    endAll() {
      for (const held of [...leases]) held.listener.onEnd("this server finds no leader that takes reports of leases");
    },
  };
}

function remove(index: Map<string, Set<Held>>, key: string, held: Held): void {
  const same = index.get(key);
  same?.delete(held);
  if (same?.size === 0) index.delete(key);
}
