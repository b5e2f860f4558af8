import { createRaftCore } from "../../server/raft/core/raft.ts";
import {
  type CoreConfig,
  defaultCoreConfig,
  type Entry,
  type Membership,
  type Message,
  type NodeId,
  type RaftCore,
  type Ready,
  type SnapshotMeta,
  type StoredLog,
} from "../../server/raft/core/types.ts";
import { formatReady } from "./format.ts";

/** One server of a scenario: a core, a disk that writes when it is told to, and a state machine that does the same. */
export class ScenarioServer {
  readonly id: NodeId;
  readonly config: CoreConfig;
  core: RaftCore;
  /** What the last `ready` said, for those who look closer than a line. */
  latest: Ready | undefined;
  #disk: StoredLog;
  /** Writes asked for and not done. */
  #writes: Ready[] = [];
  #toApply: Entry[] = [];

  readonly #random: () => number;

  /** Without `random` the servers' timeouts are constant and different: "a" has the shortest. */
  constructor(id: NodeId, membership: Membership, config: Partial<CoreConfig>, random?: () => number) {
    this.id = id;
    this.#random = random ?? (() => (id.charCodeAt(0) % 16) / 16);
    this.config = { ...defaultCoreConfig, ...config, id };
    const hardState = { term: 0, vote: "", commit: 0 };
    this.#disk = { hardState, first: { index: 0, term: 0 }, entries: [], appliedIndex: 0, membership };
    this.core = this.#start();
  }

  #start(): RaftCore {
    return createRaftCore({ config: this.config, stored: this.#disk, random: this.#random });
  }

  /** What a crash leaves is the disk; what was applied behind its state is applied again. */
  restart(): void {
    this.#writes = [];
    this.#toApply = [];
    this.core = this.#start();
  }

  /** Takes the ready; messages that may leave go to `network`. */
  ready(network: Message[]): string[] {
    this.latest = undefined;
    if (!this.core.hasReady()) return [];
    const ready = this.core.takeReady();
    this.latest = ready;
    network.push(...ready.messages);
    this.#writes.push(ready);
    this.#toApply.push(...ready.committed);
    return formatReady(this.id, ready);
  }

  /** Finishes the oldest `count` writes. */
  store(network: Message[], count = this.#writes.length): boolean {
    const writes = this.#writes.splice(0, count);
    for (const write of writes) {
      this.#write(write);
      this.core.advanceStored(write.mark);
      network.push(...write.messagesAfterStore);
      if (write.install !== undefined) this.#install(write.install);
    }
    return writes.length > 0;
  }

  apply(): boolean {
    const last = this.#toApply.splice(0).at(-1);
    if (last !== undefined) this.core.advanceApplied(last.index);
    return last !== undefined;
  }

  /** The state at the applied index becomes what a restart begins with, and entries up to `index` go. */
  compact(index: number): void {
    const { core } = this;
    core.compact(index);
    const first = { index: core.firstIndex - 1, term: core.termAt(core.firstIndex - 1) ?? 0 };
    const entries = this.#disk.entries.filter((entry) => entry.index > first.index);
    this.#disk = { ...this.#disk, first, entries, appliedIndex: core.appliedIndex, membership: core.membership };
  }

  snapshot(): SnapshotMeta {
    const { core } = this;
    return { index: core.appliedIndex, term: core.termAt(core.appliedIndex) ?? 0, membership: core.membership };
  }

  #write({ entries, hardState }: Ready): void {
    const from = entries[0]?.index ?? Number.POSITIVE_INFINITY;
    this.#disk = {
      ...this.#disk,
      hardState: hardState ?? this.#disk.hardState,
      entries: [...this.#disk.entries.filter((entry) => entry.index < from), ...entries],
    };
  }

  #install({ index, term, membership }: SnapshotMeta): void {
    const hardState = { ...this.#disk.hardState, commit: index };
    this.#disk = { hardState, first: { index, term }, entries: [], appliedIndex: index, membership };
    // The snapshot holds what they would have done.
    this.#toApply = [];
    this.core.restoreSnapshot({ index, term, membership });
  }
}
