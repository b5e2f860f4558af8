import type { ConfigStep, Message, NodeId, RaftCore } from "../../../../server/raft/core/types.ts";
import { ScenarioServer } from "../../../scenarios/server.ts";
import { seededRandom } from "./test-seed.ts";
import { members } from "./test-cluster.ts";

/**
 * Cores under a random schedule: messages are lost, doubled and reordered, disks are slow, servers crash and members change.
 * After every step: one leader per term, one entry per committed index, no read older than what was committed when it came.
 */
export class RandomWorld {
  readonly #random: () => number;
  readonly servers = new Map<NodeId, ScenarioServer>();
  #network: Message[] = [];
  #cut = new Set<NodeId>();
  readonly #leaders = new Map<number, NodeId>();
  readonly #committed = new Map<number, string>();
  readonly #readFloors = new Map<number, number>();
  #nextRead = 1;
  #nextValue = 1;
  #newest = 0;
  confirmedReads = 0;
  changes = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const voters = ["a", "b", "c"];
    const config = {
      electionTicks: 6,
      heartbeatTicks: 1,
      maxAppendBytes: 100,
      maxInflightMessages: 4,
      maxApplyBytes: 100,
      maxPendingReads: 8,
    };
    for (const id of [...voters, "d", "e"])
      this.servers.set(id, new ScenarioServer(id, members(voters), config, this.#random));
  }

  get committedCount(): number {
    return this.#committed.size;
  }

  /** One step of everything that can happen. */
  step(): void {
    const server = this.#pick([...this.servers.values()]);
    const chance = this.#random();
    if (chance < 0.3) this.#ready(server);
    else if (chance < 0.45) server.store(this.#network, 1 + Math.floor(this.#random() * 2));
    else if (chance < 0.55) server.apply();
    else if (chance < 0.8) this.#deliverOne();
    else if (chance < 0.9) server.core.tick();
    else this.#rare(server);
    this.#check(server);
  }

  /** Everybody is there, nothing is lost: a write has to get through. */
  heal(): void {
    this.#cut = new Set();
    for (let round = 0; round < 400; round++) {
      for (const server of this.servers.values()) {
        server.core.tick();
        this.#ready(server);
        server.store(this.#network);
        server.apply();
        this.#check(server);
      }
      for (const message of this.#network.splice(0)) this.servers.get(message.to)?.core.step(message);
    }
  }

  leader(): RaftCore | undefined {
    const cores = [...this.servers.values()].map(({ core }) => core).filter(({ status }) => status.role === "leader");
    return cores.sort((a, b) => b.status.term - a.status.term)[0];
  }

  describe(): string {
    return [...this.servers.values()]
      .map(({ id, core: { status, membership, lastIndex, commitIndex, appliedIndex } }) =>
        JSON.stringify({ id, ...status, lastIndex, commitIndex, appliedIndex, ...membership, addresses: undefined }),
      )
      .join("\n");
  }

  #rare(server: ScenarioServer): void {
    const { core } = server;
    const chance = this.#random();
    if (chance < 0.35) core.propose(`v${this.#nextValue++}`);
    else if (chance < 0.6) this.#read(core);
    else if (chance < 0.7) this.#change(core);
    else if (chance < 0.75) server.restart();
    else if (chance < 0.8) this.#cut = new Set([...this.servers.keys()].filter(() => this.#random() < 0.3));
    else if (chance < 0.85) this.#cut = new Set();
    else if (chance < 0.88) core.transferLeadership(this.#pick([...this.servers.keys()]));
    else if (chance < 0.9) core.stepDown();
    else if (chance < 0.95)
      server.compact(Math.max(core.firstIndex - 1, core.appliedIndex - Math.floor(this.#random() * 4)));
    else core.reportUnreachable(this.#pick([...this.servers.keys()]));
  }

  #ready(server: ScenarioServer): void {
    server.ready(this.#network);
    const ready = server.latest;
    if (ready === undefined) return;
    for (const entry of ready.committed) {
      const known = this.#committed.get(entry.index) ?? JSON.stringify(entry);
      if (known !== JSON.stringify(entry))
        throw new Error(`${server.id} applies another entry ${entry.index}: ${known}`);
      this.#committed.set(entry.index, known);
    }
    for (const read of ready.reads) {
      const floor = this.#readFloors.get(read.id) ?? 0;
      if (read.index < floor) throw new Error(`read ${read.id} at ${read.index} is older than ${floor}`);
      this.confirmedReads += 1;
    }
    for (const node of ready.snapshotsWanted) this.#sendSnapshot(server, node);
  }

  #sendSnapshot(server: ScenarioServer, to: NodeId): void {
    const snapshot = server.snapshot();
    const isSent = this.#random() < 0.7;
    const { term } = server.core.status;
    if (isSent) this.#network.push({ type: "snapshot", from: server.id, to, term, snapshot });
    server.core.reportSnapshot(to, { isSent, index: snapshot.index });
  }

  #deliverOne(): void {
    const position = Math.floor(this.#random() * Math.min(this.#network.length, 12));
    const message = this.#network[position];
    if (message === undefined) return;
    // One in twenty comes twice, as many never.
    const fate = this.#random();
    if (fate > 0.05) this.#network.splice(position, 1);
    if (fate > 0.95 || this.#cut.has(message.from) || this.#cut.has(message.to)) return;
    this.servers.get(message.to)?.core.step(message);
  }

  #read(core: RaftCore): void {
    this.#readFloors.set(this.#nextRead, this.#newest);
    core.readIndex(this.#nextRead++);
  }

  #change(core: RaftCore): void {
    const step = (): ConfigStep => {
      const node = this.#pick([...this.servers.keys()]);
      const action = this.#pick(["add-learner", "add-voter", "add-voter", "remove"] as const);
      // Removed ids never come back, so only one may go: the rest has to stay a cluster.
      if (action === "remove") return { action, node: "e" };
      return { action, node, address: `${node}.test:8300` };
    };
    const steps = this.#random() < 0.6 ? [step()] : [step(), step()];
    if (core.proposeChange({ type: "change", steps }).ok) this.changes += 1;
  }

  #check({ id, core }: ScenarioServer): void {
    const { role, term } = core.status;
    if (role === "leader") {
      const other = this.#leaders.get(term) ?? id;
      if (other !== id) throw new Error(`${other} and ${id} both led term ${term}`);
      this.#leaders.set(term, id);
    }
    this.#newest = Math.max(this.#newest, core.commitIndex);
  }

  #pick<T>(values: readonly T[]): T {
    const value = values[Math.floor(this.#random() * values.length)];
    if (value === undefined) throw new Error("nothing to pick from");
    return value;
  }
}
