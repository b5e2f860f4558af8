import type { HardState, NodeId, SnapshotMeta } from "../../../server/raft/core/types.ts";
import type { ReplicaStatus } from "../../../server/raft/replica/replica-api.ts";
import type { SimOptions } from "../sim-options.ts";
import { expectThat } from "../violation.ts";
import { ApplyCheck } from "./apply-check.ts";
import { LogCheck } from "./log-check.ts";
import { LogView } from "./log-view.ts";
import { PromiseCheck } from "./promise-check.ts";

/**
 * Answers that waited for one slow write leave together. A window of single entries that a network without order shuffles is
 * answered by as many refusals, each of which can start the window again: thousands were seen, and are no leak.
 */
const maxEffects = 10_000;
/** An empty one with its overhead. */
const minEntryBytes = 64;

/** Everything that is judged after every event, for one run. */
export class ClusterCheck {
  readonly views = new Map<NodeId, LogView>();
  readonly logs: LogCheck;
  readonly promises: PromiseCheck;
  readonly applies: ApplyCheck;
  readonly #options: SimOptions;
  readonly #writing = new Set<NodeId>();

  constructor(options: SimOptions, keys: readonly string[]) {
    this.#options = options;
    this.logs = new LogCheck(this.views);
    this.promises = new PromiseCheck({ isDiskLying: options.disk.isLying });
    this.applies = new ApplyCheck(keys);
  }

  join(id: NodeId, slot: number): LogView {
    const view = new LogView(id, slot);
    this.views.set(id, view);
    return view;
  }

  opened(view: LogView): void {
    this.#writing.delete(view.id);
    this.logs.compareCommitted(view, view.hardState.commit, view.hardState.term);
  }

  handled(
    view: LogView,
    before: ReplicaStatus,
    after: ReplicaStatus,
    load: { readonly inputs: number; readonly effects: number; readonly pending: number },
  ): void {
    this.logs.handled(view, before, after);
    const show = (): string => `${view.id}: ${JSON.stringify({ ...load, status: after })}`;
    expectThat(after.term >= before.term, "monotone", show);
    expectThat(after.appliedIndex <= after.commitIndex && after.commitIndex <= after.lastIndex, "indexes", show);
    expectThat(load.effects <= maxEffects && load.pending < 2_000, "bounded queues", show);
    const { trailingEntries, maxLogBytes } = this.#options.limits;
    const retained = after.appliedIndex - after.firstIndex;
    // What a slow but active follower still needs is kept up to the cap in bytes.
    const mostEntries = Math.max(2 * trailingEntries + 500, maxLogBytes / minEntryBytes + 100);
    expectThat(retained <= mostEntries, "bounded log", show);
  }

  writeBegins(id: NodeId): void {
    expectThat(!this.#writing.has(id), "one write at a time", () => `${id} writes while a write is under way`);
    this.#writing.add(id);
  }

  writeEnds(id: NodeId): void {
    this.#writing.delete(id);
  }

  installed(view: LogView, snapshot: SnapshotMeta, hardState: HardState): void {
    const show = (): string => `${view.id} at ${JSON.stringify(view.hardState)} installs ${JSON.stringify(snapshot)}`;
    expectThat(snapshot.index >= view.hardState.commit, "monotone", show);
    expectThat(hardState.term >= view.hardState.term, "monotone", show);
    view.install(snapshot, hardState);
  }
}
