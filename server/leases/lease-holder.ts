import type { MemberFields } from "../../lib/contract/members.ts";
import type { LeaseReport, LeaseReportAnswer } from "./lease-report.ts";

/**
 * The leases whose streams end at this server, its own agent's among them. It gathers what happened since the last report
 * to the leader; a renewal costs a flag. It judges nothing.
 */
export interface LeaseHolder {
  /** `answer` is called whenever the leader refuses the lease; `end` when it cannot be held here. */
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
  readonly onRefusal: (reason: string) => void;
  readonly onEnd: () => void;
}

export interface HeldLease {
  /** The agent was heard of. What it is answered: the refusal as it stands, if there is one. */
  renew(): string;
  close(): void;
}

export interface LeaseHolderOptions {
  /** There is something that should not wait for the next report. */
  readonly onNews: () => void;
  readonly isUrgent: (member: MemberFields) => boolean;
}

interface Held {
  readonly member: MemberFields;
  readonly listener: LeaseListener;
  isAsked: boolean;
  isRenewed: boolean;
  refusal: string;
}

export function createLeaseHolder(options: LeaseHolderOptions): LeaseHolder {
  const leases = new Set<Held>();
  const byId = new Map<string, Set<Held>>();

  const all = (id: string): Iterable<Held> => byId.get(id) ?? [];
  return {
    open(member, listener) {
      const held: Held = { member, listener, isAsked: true, isRenewed: true, refusal: "" };
      leases.add(held);
      byId.set(member.ID, (byId.get(member.ID) ?? new Set()).add(held));
      options.onNews();
      return {
        renew() {
          held.isRenewed = true;
          // One that was taken for dead is back: that shall not wait.
          if (held.refusal === "" && !held.isAsked && options.isUrgent(member)) options.onNews();
          return held.refusal;
        },
        close() {
          leases.delete(held);
          const same = byId.get(member.ID);
          same?.delete(held);
          if (same?.size === 0) byId.delete(member.ID);
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
      return { asked, renewed };
    },
    settle(report, answer) {
      const refused = new Map(answer.refused.map(({ id, reason }) => [id, reason]));
      for (const { ID } of report.asked) {
        for (const held of all(ID)) {
          const refusal = refused.get(ID) ?? "";
          const isOther = refusal !== held.refusal;
          held.refusal = refusal;
          // What is refused now may be given when the present holder is gone.
          held.isAsked = refusal !== "";
          held.isRenewed ||= held.isAsked;
          if (isOther) held.listener.onRefusal(refusal);
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
    putBack(report) {
      for (const { ID } of report.asked) for (const held of all(ID)) held.isRenewed = true;
      for (const id of report.renewed) for (const held of all(id)) held.isRenewed = true;
    },
    endAll() {
      for (const held of [...leases]) held.listener.onEnd();
    },
  };
}
