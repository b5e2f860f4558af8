/**
 * Replicas over a perfect network and instant disks, with switches to cut servers off, hold their disks and crash them.
 * Deterministic: one seed, messages in order of sending.
 */
import { assert, mustGet } from "../../../../lib/base/assert.ts";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { defaultCoreConfig, type Membership, type Message } from "../../../../server/raft/core/types.ts";
import { createReplica } from "../../../../server/raft/replica/replica.ts";
import type {
  Effect,
  Outcome,
  Replica,
  ReplicaInput,
  ReplicaLimits,
  Row,
} from "../../../../server/raft/replica/replica-api.ts";
import { createTestDisk, type TestDisk } from "./test-disk.ts";
import { createTestMachine, type TestMachine } from "./test-machine.ts";

export const clusterId = "cluster-1";

export const testLimits: ReplicaLimits = {
  diskStallTicks: 10,
  maxQueuedProposals: 1_000,
  trailingEntries: 10_000,
  maxLogBytes: 64 * 1024 * 1024,
  maxRequestIds: 1_000,
  stateHashEvery: 0,
};

export interface TestServer {
  readonly id: string;
  replica: Replica;
  machine: TestMachine;
  readonly disk: TestDisk;
  /** Everything that `handle` returned since the start, across crashes. */
  readonly effects: Effect[];
  isDown: boolean;
  isCutOff: boolean;
  isDiskHeld: boolean;
  heldBatches: (() => void)[];
  staged: readonly Row[];
}

export interface TestCluster {
  readonly servers: readonly TestServer[];
  server(id: string): TestServer;
  leader(): TestServer;
  input(id: string, ...inputs: readonly ReplicaInput[]): readonly Effect[];
  /** Delivers until nothing is under way. */
  settle(): void;
  tick(count: number): void;
  /** Makes `id` the leader, also against another one. */
  elect(id: string): void;
  /** Proposes on `id` and returns the number of the answer. */
  propose(id: string, data: string, requestId?: string): number;
  outcome(answerId: number): Outcome | undefined;
  crash(id: string): void;
  restart(id: string): void;
  holdDisk(id: string): void;
  releaseDisk(id: string): void;
  /** Messages matching are lost. */
  dropWhere(isLost: (message: Message) => boolean): void;
}

export function membershipOf(voters: readonly string[], learners: readonly string[] = []): Membership {
  const addresses = Object.fromEntries([...voters, ...learners].map((id) => [id, `${id}:8300`]));
  return { voters, outgoing: [], learners, learnersNext: [], removed: [], addresses };
}

export interface TestClusterOptions {
  readonly ids?: readonly string[];
  readonly limits?: Partial<ReplicaLimits>;
  readonly membership?: Membership;
}

export function createTestCluster(options: TestClusterOptions = {}): TestCluster {
  const ids = options.ids ?? ["r1", "r2", "r3"];
  const limits = { ...testLimits, ...options.limits };
  const membership = options.membership ?? membershipOf(ids);
  const random = createSeededRandom(7);
  const work: (() => void)[] = [];
  const outcomes = new Map<number, Outcome>();
  let nextAnswerId = 1;
  let isLost = (_message: Message): boolean => false;

  const start = (id: string, disk: TestDisk): { replica: Replica; machine: TestMachine } => {
    const machine = createTestMachine();
    const core = { ...defaultCoreConfig, id };
    const { stored, rows } = disk;
    return {
      machine,
      replica: createReplica({ core, clusterId, stored, rows, machine, random: () => random.float(), limits }),
    };
  };
  const servers = ids.map((id): TestServer => {
    const disk = createTestDisk(membership);
    const switches = { isDown: false, isCutOff: false, isDiskHeld: false };
    return { id, disk, ...start(id, disk), effects: [], heldBatches: [], staged: [], ...switches };
  });
  const server = (id: string): TestServer =>
    mustGet(
      servers.find((one) => one.id === id),
      `server ${id}`,
    );

  const input = (id: string, ...inputs: readonly ReplicaInput[]): readonly Effect[] => {
    const from = server(id);
    if (from.isDown) return [];
    const effects = from.replica.handleAll(inputs);
    from.effects.push(...effects);
    for (const effect of effects) perform(from, effect);
    return effects;
  };
  /** Work of a server that crashed meanwhile is lost with it. */
  const later = (of: TestServer, job: () => void): void => {
    const { replica } = of;
    work.push(() => {
      if (!of.isDown && of.replica === replica) job();
    });
  };
  const perform = (from: TestServer, effect: Effect): void => {
    switch (effect.type) {
      case "send":
        if (!from.isCutOff && !isLost(effect.message)) work.push(() => deliver(effect.message));
        break;
      case "store": {
        const write = (): void =>
          later(from, () => {
            from.disk.write(effect.batch);
            input(from.id, { type: "stored", batchId: effect.batch.batchId });
          });
        if (from.isDiskHeld) from.heldBatches.push(write);
        else write();
        break;
      }
      case "answer":
        assert(!outcomes.has(effect.id), `answer ${effect.id} was given twice`);
        outcomes.set(effect.id, effect.outcome);
        break;
      case "send-snapshot":
        later(from, () => stream(from, effect.to, effect.term));
        break;
      case "install-snapshot":
        later(from, () => {
          from.disk.install(effect.snapshot, from.staged, effect.hardState);
          input(from.id, { type: "snapshot-installed", snapshot: effect.snapshot, rows: from.staged });
        });
        break;
      default:
    }
  };
  const deliver = (message: Message): void => {
    const to = servers.find(({ id }) => id === message.to);
    if (to !== undefined && !to.isCutOff) input(to.id, { type: "message", clusterId, message });
  };
  const stream = (from: TestServer, toId: string, term: number): void => {
    const to = server(toId);
    const { meta, rows } = from.disk.snapshot();
    const isSent = !to.isDown && !to.isCutOff && !from.isCutOff;
    if (isSent) {
      to.staged = rows;
      input(toId, { type: "snapshot-staged", from: from.id, term, snapshot: meta });
    }
    input(from.id, { type: "snapshot-sent", to: toId, isSent, index: meta.index });
  };
  const settle = (): void => {
    for (let steps = 0; work.length > 0; steps++) {
      assert(steps < 1_000_000, "the cluster comes to rest");
      work.shift()?.();
    }
  };
  const tick = (count: number): void => {
    for (let i = 0; i < count; i++) {
      for (const { id } of servers) input(id, { type: "tick" });
      settle();
    }
  };
  /** Transfer campaigns are not held up by those who still hear another leader. */
  const demand = (id: string): void => {
    const { term } = server(id).replica.status;
    const from = mustGet(
      ids.find((other) => other !== id),
      "another server",
    );
    input(id, { type: "message", clusterId, message: { type: "timeout-now", from, to: id, term } });
  };
  const leader = (): TestServer => {
    const leaders = servers.filter(({ replica, isDown }) => !isDown && replica.status.role === "leader");
    return leaders.reduce((a, b) => (a.replica.status.term > b.replica.status.term ? a : b));
  };

  return {
    servers,
    server,
    leader,
    input,
    settle,
    tick,
    elect(id) {
      demand(id);
      settle();
      assert(server(id).replica.status.role === "leader", `${id} leads`);
    },
    propose(id, data, requestId = "") {
      const answerId = nextAnswerId++;
      input(id, { type: "propose", id: answerId, requestId, data });
      return answerId;
    },
    outcome: (answerId) => outcomes.get(answerId),
    crash(id) {
      const crashed = server(id);
      crashed.isDown = true;
      crashed.heldBatches = [];
    },
    restart(id) {
      const restarted = server(id);
      Object.assign(restarted, start(id, restarted.disk), { isDown: false, isDiskHeld: false });
    },
    holdDisk(id) {
      server(id).isDiskHeld = true;
    },
    releaseDisk(id) {
      const released = server(id);
      released.isDiskHeld = false;
      for (const write of released.heldBatches.splice(0)) write();
    },
    dropWhere(lost) {
      isLost = lost;
    },
  };
}
