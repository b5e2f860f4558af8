import { createRaftCore } from "../../../../server/raft/core/raft.ts";
import {
  type CoreConfig,
  defaultCoreConfig,
  type Entry,
  type HardState,
  type Membership,
  type Message,
  type NodeId,
  type RaftCore,
  type Ready,
  type StoredLog,
} from "../../../../server/raft/core/types.ts";

export function members(voters: readonly NodeId[], learners: readonly NodeId[] = []): Membership {
  const addresses = Object.fromEntries([...voters, ...learners].map((node) => [node, `${node}.test:8300`]));
  return { voters, outgoing: [], learners, learnersNext: [], removed: [], addresses };
}

/** A disk from the beginning of a cluster: the membership is known, nothing was written. */
export function freshLog(membership: Membership): StoredLog {
  const hardState = { term: 0, vote: "", commit: 0 };
  return { hardState, first: { index: 0, term: 0 }, entries: [], appliedIndex: 0, membership };
}

export function createCore(id: NodeId, stored: StoredLog, config: Partial<CoreConfig> = {}): RaftCore {
  // Different and constant: "a" has the shortest timeout, so that elections are not split for ever.
  const random = (): number => (id.charCodeAt(0) % 16) / 16;
  return createRaftCore({ config: { ...defaultCoreConfig, ...config, id }, stored, random });
}

/** A server whose disk is as fast as its memory, with everything it did. */
export interface TestServer {
  readonly core: RaftCore;
  readonly applied: Entry[];
  readonly readies: Ready[];
  hardState: HardState;
}

/** Servers with perfect disks; the network is whatever `isOpen` lets through. */
export class TestCluster {
  readonly servers = new Map<NodeId, TestServer>();
  readonly queue: Message[] = [];
  isOpen: (message: Message) => boolean = () => true;

  constructor(membership: Membership, config: Partial<CoreConfig> = {}) {
    for (const id of [...membership.voters, ...membership.learners]) this.add(id, freshLog(membership), config);
  }

  add(id: NodeId, stored: StoredLog, config: Partial<CoreConfig> = {}): void {
    const core = createCore(id, stored, config);
    this.servers.set(id, { core, applied: [], readies: [], hardState: stored.hardState });
  }

  core(id: NodeId): RaftCore {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`no server ${id}`);
    return server.core;
  }

  applied(id: NodeId): readonly string[] {
    const entries = this.servers.get(id)?.applied ?? [];
    return entries.flatMap((entry) => (entry.kind === "command" ? [entry.data] : []));
  }

  /** Does what readies ask for and delivers messages until nothing is left to do. */
  settle(): void {
    for (let turn = 0; turn < 10_000; turn++) {
      let isBusy = false;
      for (const server of this.servers.values()) isBusy = this.#run(server) || isBusy;
      for (const message of this.queue.splice(0)) {
        isBusy = true;
        if (this.isOpen(message)) this.servers.get(message.to)?.core.step(message);
      }
      if (!isBusy) return;
    }
    throw new Error("the cluster does not come to rest");
  }

  tick(count = 1, ids: readonly NodeId[] = [...this.servers.keys()]): void {
    for (let i = 0; i < count; i++) {
      for (const id of ids) this.core(id).tick();
      this.settle();
    }
  }

  elect(id: NodeId): void {
    this.core(id).campaign();
    this.settle();
  }

  #run(server: TestServer): boolean {
    if (!server.core.hasReady()) return false;
    const ready = server.core.takeReady();
    server.readies.push(ready);
    this.queue.push(...ready.messages);
    if (ready.hardState !== undefined) server.hardState = ready.hardState;
    server.core.advanceStored(ready.mark);
    this.queue.push(...ready.messagesAfterStore);
    server.applied.push(...ready.committed);
    const last = ready.committed.at(-1);
    if (last !== undefined) server.core.advanceApplied(last.index);
    if (ready.install !== undefined) server.core.restoreSnapshot(ready.install);
    return true;
  }
}
