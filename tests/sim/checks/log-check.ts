import type { LogIndex, Membership, NodeId, Term } from "../../../server/raft/core/types.ts";
import type { ReplicaStatus, StoreBatch } from "../../../server/raft/replica/replica-api.ts";
import { expectThat } from "../violation.ts";
import type { LogView, SeenEntry } from "./log-view.ts";

/**
 * The properties of Raft's Figure 3 that speak of logs and leaders, judged over every batch and every change of role.
 * Entries are remembered by (index, term) for the whole run: Log Matching holds for all pairs of servers exactly when every
 * such entry has one content and one predecessor.
 */
export class LogCheck {
  readonly #views: ReadonlyMap<NodeId, LogView>;
  readonly #entries = new Map<string, { readonly hash: number; readonly previousTerm: Term }>();
  readonly #committed = new Map<LogIndex, SeenEntry>();
  /** The newest index seen committed by servers in this term. */
  readonly #committedInTerm = new Map<Term, LogIndex>();
  readonly #leaders = new Map<Term, NodeId>();

  constructor(views: ReadonlyMap<NodeId, LogView>) {
    this.#views = views;
  }

  get newestCommitted(): LogIndex {
    return Math.max(0, ...this.#committedInTerm.values());
  }

  batch(view: LogView, batch: StoreBatch, isStillLeader: boolean): void {
    const from = batch.truncateFrom ?? view.lastIndex + 1;
    const name = `${view.id}'s batch`;
    if (from <= view.lastIndex) {
      expectThat(!isStillLeader, "leader append-only", () => `leader ${view.id} cuts its log at ${from}`);
      expectThat(from > view.hardState.commit, "log", () => `${name} cuts at ${from}, below its commit index`);
    }
    const expected = Math.min(from, view.lastIndex + 1);
    expectThat(
      batch.entries.every((entry, at) => entry.index === expected + at),
      "log",
      () => `${name} leaves a gap: expected ${expected}, got ${batch.entries.map(({ index }) => index)}`,
    );
    this.#hardState(view, batch);
    view.issue(batch);
    for (const { index } of batch.entries) this.#remember(view, index);
    const { commit, term } = view.hardState;
    expectThat(commit <= view.lastIndex, "log", () => `${name} commits ${commit} beyond its log's end`);
    expectThat(batch.appliedIndex <= commit, "log", () => `${name} applied ${batch.appliedIndex} above ${commit}`);
    expectThat(batch.compactTo <= batch.appliedIndex, "log", () => `${name} drops entries that are not applied`);
    this.compareCommitted(view, commit, term);
  }

  #hardState(view: LogView, batch: StoreBatch): void {
    const before = view.hardState;
    const after = batch.hardState;
    const show = (): string => `${view.id} goes from ${JSON.stringify(before)} to ${JSON.stringify(after)}`;
    expectThat(after.term >= before.term && after.commit >= before.commit, "monotone", show);
    expectThat(batch.appliedIndex >= view.appliedIndex, "monotone", () => `${view.id} takes its applied index back`);
    const isSameVote = before.vote === "" || after.term > before.term || after.vote === before.vote;
    expectThat(isSameVote, "monotone", show);
  }

  #remember(view: LogView, index: LogIndex): void {
    const entry = view.at(index);
    const previousTerm = index - 1 === view.first.index ? view.first.term : view.at(index - 1)?.term;
    if (entry === undefined || previousTerm === undefined) return;
    const key = `${index}/${entry.term}`;
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, { hash: entry.hash, previousTerm });
    else {
      const isSame = known.hash === entry.hash && known.previousTerm === previousTerm;
      expectThat(isSame, "log matching", () => `${view.id} has another entry ${index} of term ${entry.term}`);
    }
  }

  /** Everything this log has up to `commit` is committed for good: the same on all servers, now and later. */
  compareCommitted(view: LogView, commit: LogIndex, inTerm: Term): void {
    while (view.comparedTo < commit) {
      const entry = view.at(view.comparedTo + 1);
      if (entry === undefined) return;
      const known = this.#committed.get(entry.index);
      if (known === undefined) {
        this.#committed.set(entry.index, entry);
        this.#committedInTerm.set(inTerm, Math.max(entry.index, this.#committedInTerm.get(inTerm) ?? 0));
      } else {
        expectThat(
          known.term === entry.term && known.hash === entry.hash,
          "committed stays",
          () => `${view.id} commits ${entry.index} of term ${entry.term}, it was one of term ${known.term}`,
        );
      }
      view.comparedTo += 1;
    }
  }

  handled(view: LogView, before: ReplicaStatus, after: ReplicaStatus): void {
    if (after.role !== "leader") return;
    const isNew = before.role !== "leader" || before.term !== after.term;
    if (isNew) this.#elected(view, after);
    else if (after.commitIndex > before.commitIndex) this.#advanced(view, before, after);
    this.compareCommitted(view, after.commitIndex, after.term);
  }

  #elected(view: LogView, { term, membership }: ReplicaStatus): void {
    const isVoter = membership.voters.includes(view.id) || membership.outgoing.includes(view.id);
    expectThat(isVoter, "voters lead", () => `${view.id} leads term ${term} and is no voter: ${membership.voters}`);
    const other = this.#leaders.get(term) ?? view.id;
    expectThat(other === view.id, "election safety", () => `${other} and ${view.id} both lead term ${term}`);
    this.#leaders.set(term, view.id);
    for (const [inTerm, index] of this.#committedInTerm) {
      const entry = this.#committed.get(index);
      if (inTerm >= term || entry === undefined) continue;
      expectThat(
        view.holds(index, entry.term),
        "leader completeness",
        () => `${view.id} leads term ${term} without entry ${index} of term ${entry.term}, committed in ${inTerm}`,
      );
    }
  }

  /**
   * Section 5.4.2: a leader commits by counting durable copies of an entry of its own term, among those who have a say then. A
   * change takes effect when it is applied, so it is itself a matter of those before it, whatever it makes of them.
   */
  #advanced(view: LogView, before: ReplicaStatus, after: ReplicaStatus): void {
    const isHeldBy = ({ voters, outgoing }: Membership, index: LogIndex, term: Term): boolean =>
      [voters, outgoing].every((set) => {
        const holders = set.filter((id) => this.#views.get(id)?.holdsDurably(index, term) === true);
        return set.length === 0 || holders.length > set.length / 2;
      });
    const { commitIndex, term } = after;
    expectThat(
      isHeldBy(before.membership, commitIndex, term) || isHeldBy(after.membership, commitIndex, term),
      "commit rule",
      () => `${view.id} commits ${commitIndex} in term ${term} without a durable quorum of that term`,
    );
    for (let index = before.commitIndex + 1; index <= after.appliedIndex; index++) {
      const entry = view.at(index);
      if (entry?.isConfig !== true) continue;
      expectThat(
        isHeldBy(before.membership, index, entry.term),
        "commit rule",
        () => `${view.id} commits the change ${index} without a durable quorum of ${JSON.stringify(before.membership)}`,
      );
      // What follows it in the same turn is the matter of the membership that it made.
      return;
    }
  }
}
