/**
 * The leader's clockwork: who has to be heard of by when. Only the leader keeps the time of leases, in its memory; what has
 * become of them is decided here and told to all servers by one command for all that changed together. A new leader gives
 * everybody a full term, since it cannot know who was heard of while there was none.
 */
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { leftListedMs, type MemberChange, type MemberFields, type MemberRecord } from "../../lib/contract/members.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { StateReader } from "../state/reader.ts";
import { judgeRequest } from "./judge-request.ts";
import type { LeaseMetrics } from "./lease-metrics.ts";
import type { LeaseRefusal, LeaseReport, LeaseReportAnswer } from "./lease-report.ts";

const tickMs = 250;
/** News are written this much later, so that many agents that come together share a command. */
const gatherMs = 20;
/** Ticks this far apart mean that this process stood still, and heard of nobody meanwhile. */
const stallMs = 1_500;
/** More changes than this at once take several commands: one must fit into an entry of the log. */
const maxChanges = 1_000;
const proposeTimeoutMs = 10_000;
/** A renewal that was under way when its agent left does not bring it back. */
const leftRestMs = 2_000;
/** How long an operator's word waits for a living agent's objection: one renewal, and the way. */
const forceWaitMs = 1_500;

export interface LeaseKeeper {
  /** What the server `from` has to say. Throws `NO_LEADER` that names the leader. */
  report(from: string, report: Pick<LeaseReport, "asked" | "renewed">): LeaseReportAnswer;
  /**
   * An operator says that the node is gone: it leaves the catalog, at once when its lease is lost, or else unless its agent
   * renews it now. `isForgotten`: nobody lists it any more. Throws `NOT_FOUND` for no member, `NO_LEADER`.
   */
  forceLeave(node: string, options: { readonly isForgotten: boolean }): Promise<void>;
  close(): void;
}

export interface LeaseKeeperOptions {
  readonly log: Pick<ReplicatedLog, "propose" | "leadership" | "onLeadershipChange">;
  readonly reader: Pick<StateReader, "members" | "member" | "memberById" | "node" | "nodeChecks">;
  /** Node ids of the other servers. */
  readonly otherServers: () => readonly string[];
  readonly metrics: LeaseMetrics;
  readonly runtime: Runtime;
}

interface Term {
  readonly record: MemberRecord;
  /** By the monotonic clock. */
  deadlineMs: number;
  /** What happens then, when it is not what follows from the record. */
  forced: "left" | "gone" | undefined;
}

export function createLeaseKeeper(options: LeaseKeeperOptions): LeaseKeeper {
  const { log, reader, metrics } = options;
  const { clock } = options.runtime;
  const logger = options.runtime.logger.child("leases");
  const stopping = new AbortController();
  const terms = new Map<string, Term>();
  /** Members that are to be alive, by id, until the state says that they are. */
  const arriving = new Map<string, MemberFields>();
  const heardServers = new Set<string>();
  let known: readonly MemberRecord[] | undefined;
  let lastTickMs = clock.monotonicMs();
  let isProposing = false;
  let timer: Timer | undefined;

  const isLeader = (): boolean => log.leadership().isLeader;
  /**
   * A server of an older release stops at a command that it does not know. Once there is a member, all servers knew
   * of leases; until then each of them has to report once.
   */
  const isReady = (): boolean =>
    reader.members().value.length > 0 || options.otherServers().every((id) => heardServers.has(id));

  const deadlineOf = (record: MemberRecord): number => {
    const nowMs = clock.monotonicMs();
    if (record.Status === "alive") return nowMs + record.TtlMs;
    const awayMs = Math.max(0, clock.nowMs() - record.SinceMs);
    const listedMs = record.Status === "left" ? leftListedMs : record.ReapAfterMs;
    return nowMs + Math.max(0, listedMs - awayMs);
  };

  /** Follows the state: members that are new or have changed begin a term. */
  const follow = (): void => {
    const members = reader.members().value;
    if (members === known) return;
    known = members;
    const present = new Set<string>();
    for (const record of members) {
      present.add(record.Node);
      const term = terms.get(record.Node);
      if (term?.record === record) continue;
      terms.set(record.Node, { record, deadlineMs: deadlineOf(record), forced: undefined });
      if (record.Status === "alive") arriving.delete(record.ID);
    }
    for (const node of terms.keys()) if (!present.has(node)) terms.delete(node);
    metrics.setMembers(members);
  };

  const dueChanges = (nowMs: number): MemberChange[] => {
    const changes: MemberChange[] = [];
    for (const member of arriving.values()) changes.push({ kind: "alive", member });
    for (const { record, deadlineMs, forced } of terms.values()) {
      if (deadlineMs > nowMs || changes.length >= maxChanges) continue;
      const { Node: node, ID: id, Status } = record;
      if (Status !== "alive") changes.push({ kind: "gone", node, id });
      else if (forced === "gone") changes.push({ kind: "left", node, id }, { kind: "gone", node, id });
      else changes.push({ kind: forced ?? "failed", node, id });
    }
    return changes.slice(0, maxChanges);
  };

  const tick = async (): Promise<void> => {
    const nowMs = clock.monotonicMs();
    const stoodStillMs = nowMs - lastTickMs;
    lastTickMs = nowMs;
    if (!isLeader()) return;
    follow();
    if (stoodStillMs > stallMs) {
      logger.warn("this server stood still; all leases begin anew", { forMs: Math.round(stoodStillMs) });
      for (const term of terms.values())
        if (term.record.Status === "alive") term.deadlineMs = nowMs + term.record.TtlMs;
    }
    if (isProposing || !isReady()) return;
    const changes = dueChanges(nowMs);
    if (changes.length > 0) await propose(changes);
  };

  const propose = async (changes: readonly MemberChange[]): Promise<void> => {
    isProposing = true;
    const limit = new AbortController();
    const deadline = clock.after(proposeTimeoutMs, () => limit.abort());
    try {
      await log.propose({ type: "members", atMs: clock.nowMs(), changes }, limit.signal);
      for (const change of changes) tell(change);
    } catch (thrown) {
      // Whoever leads next decides anew.
      logger.warn("what became of leases could not be written", { error: errorMessage(thrown) });
    } finally {
      deadline.cancel();
      isProposing = false;
    }
    follow();
  };

  const tell = (change: MemberChange): void => {
    metrics.changed(change.kind);
    if (change.kind === "alive") {
      arriving.delete(change.member.ID);
      logger.info("a node is alive", { node: change.member.Node, id: change.member.ID });
    } else if (change.kind === "failed") {
      logger.warn("a node has lost its lease", { node: change.node, id: change.id });
    } else {
      logger.info(change.kind === "left" ? "a node has left" : "a node is removed", {
        node: change.node,
        id: change.id,
      });
    }
  };

  const arm = (delayMs: number): void => {
    if (stopping.signal.aborted) return;
    timer?.cancel();
    timer = clock.after(delayMs, () => {
      arm(tickMs);
      void tick();
    });
  };

  const mustLead = (): void => {
    const { isLeader: leads, leaderAddress } = log.leadership();
    if (!leads) throw new AtollError("NO_LEADER", "No cluster leader", { leader: leaderAddress });
  };

  const arrive = (member: MemberFields): void => {
    arriving.set(member.ID, member);
    if (!isProposing) arm(gatherMs);
  };

  const ask = (member: MemberFields): LeaseRefusal | undefined => {
    const reason = judgeRequest(member, reader);
    if (reason !== undefined) {
      metrics.refused();
      return { id: member.ID, reason };
    }
    const holder = reader.member(member.Node);
    if (holder !== undefined && isSame(holder, member)) extend(member.ID);
    else arrive(member);
    return undefined;
  };

  /** False when there is no member of that id. */
  const extend = (id: string): boolean => {
    const record = reader.memberById(id);
    if (record === undefined) return arriving.has(id);
    if (record.Status === "alive") {
      const term = terms.get(record.Node);
      if (term !== undefined && term.record.ID === id) {
        term.deadlineMs = clock.monotonicMs() + record.TtlMs;
        term.forced = undefined;
      }
    } else if (record.Status === "failed" || clock.nowMs() - record.SinceMs >= leftRestMs) {
      arrive(fieldsOf(record));
    }
    return true;
  };

  let wasLeader = isLeader();
  const leadership = log.onLeadershipChange(() => {
    if (isLeader() === wasLeader) return;
    wasLeader = !wasLeader;
    // Everything here was what an earlier term knew.
    terms.clear();
    arriving.clear();
    heardServers.clear();
    known = undefined;
    if (!wasLeader) metrics.setMembers([]);
  });
  arm(tickMs);

  return {
    report(from, report) {
      mustLead();
      heardServers.add(from);
      follow();
      if (!isReady()) return { isKept: false, refused: [], unknown: [] };
      const refused = report.asked.flatMap((member) => ask(member) ?? []);
      return { isKept: true, refused, unknown: report.renewed.filter((id) => !extend(id)) };
    },
    async forceLeave(node, { isForgotten }) {
      mustLead();
      follow();
      const record = reader.member(node);
      const term = terms.get(node);
      if (record === undefined || term === undefined) {
        throw new AtollError("NOT_FOUND", `agent: No node found with name '${node}'`, { status: 500 });
      }
      if (record.Status === "alive") {
        term.forced = isForgotten ? "gone" : "left";
        term.deadlineMs = Math.min(term.deadlineMs, clock.monotonicMs() + record.TtlMs / 3 + forceWaitMs);
        return;
      }
      const kind = isForgotten ? "gone" : "left";
      await log.propose({ type: "members", atMs: clock.nowMs(), changes: [{ kind, node, id: record.ID }] });
      tell({ kind, node, id: record.ID });
      follow();
    },
    close() {
      stopping.abort();
      timer?.cancel();
      leadership.close();
    },
  };
}

function fieldsOf(record: MemberRecord): MemberFields {
  const { Status: _status, SinceMs: _since, CreateIndex: _created, ModifyIndex: _modified, ...fields } = record;
  return fields;
}

function isSame(record: MemberRecord, member: MemberFields): boolean {
  return (
    record.Status === "alive" &&
    record.ID === member.ID &&
    record.Address === member.Address &&
    record.Port === member.Port &&
    record.Role === member.Role &&
    record.Build === member.Build &&
    record.Class === member.Class &&
    record.TtlMs === member.TtlMs &&
    record.ReapAfterMs === member.ReapAfterMs
  );
}
