import type { Message, NodeId, SnapshotMeta } from "../../server/raft/core/types.ts";
import type {
  Effect,
  Outcome,
  Replica,
  ReplicaInput,
  ReplicaOptions,
  ReplicaStatus,
  Row,
} from "../../server/raft/replica/replica-api.ts";
import type { ClusterCheck } from "./checks/cluster-check.ts";
import type { LogView } from "./checks/log-view.ts";
import type { CrashDamage, Disk } from "./disk.ts";
import type { EventHeap } from "./event-heap.ts";
import type { MachineKind, RegisterMachine } from "./machine.ts";
import type { Rng } from "./random.ts";
import { type SimOptions, tickUs } from "./sim-options.ts";
import type { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";

export type CreateReplica = (options: ReplicaOptions) => Replica;

export const clusterId = "simulated-cluster";

/** What a server needs of the world around it. */
export interface ServerWorld {
  readonly heap: EventHeap;
  readonly rng: Rng;
  readonly trace: Trace;
  readonly options: SimOptions;
  readonly check: ClusterCheck;
  readonly createReplica: CreateReplica;
  readonly machineKind: MachineKind;
  /** After every turn: what was applied somewhere stays true when that server dies in the next moment. */
  noteStatus(status: ReplicaStatus): void;
  send(message: Message): void;
  sendSnapshot(from: SimServer, to: NodeId, term: number): void;
  elected(server: SimServer): void;
  /** A write or a change is acknowledged. */
  answered(server: SimServer): void;
  /** A server stopped by itself. */
  onHalt(server: SimServer, reason: string): void;
}

export type Answer =
  | { readonly type: "outcome"; readonly outcome: Outcome }
  /** The machine at the moment when the read may be served. */
  | { readonly type: "read"; readonly machine: RegisterMachine; readonly index: number };

/** The shell of one replica in the simulated world: what runs the effects, dies, and comes back from its disk. */
export class SimServer {
  readonly id: NodeId;
  readonly slot: number;
  readonly disk: Disk;
  readonly view: LogView;
  isPaused = false;
  /** Never comes back: its disk is lost or it was retired. */
  isGone = false;
  /** An I/O error was injected, so that halting is what we want. */
  mayHalt = false;
  readonly #world: ServerWorld;
  #replica: Replica | undefined;
  #machine: RegisterMachine | undefined;
  #waiting: ReplicaInput[] = [];
  #isTurnQueued = false;
  #isTickMissed = false;
  #epoch = 0;
  #pending = new Map<number, (answer: Answer) => void>();
  /** Rows of snapshots that arrived whole, by `index/term`. */
  #staged = new Map<string, readonly Row[]>();
  #status: ReplicaStatus | undefined;

  constructor(world: ServerWorld, identity: { readonly id: NodeId; readonly slot: number; disk: Disk; view: LogView }) {
    this.#world = world;
    this.id = identity.id;
    this.slot = identity.slot;
    this.disk = identity.disk;
    this.view = identity.view;
  }

  get isUp(): boolean {
    return this.#replica !== undefined;
  }

  /** Undefined while it is down. */
  get status(): ReplicaStatus | undefined {
    return this.#status;
  }

  get machine(): RegisterMachine | undefined {
    return this.#machine;
  }

  get pendingAnswers(): number {
    return this.#pending.size;
  }

  /** Answers whether the process that runs now still does. */
  lifetime(): () => boolean {
    const epoch = this.#epoch;
    return () => epoch === this.#epoch && this.#replica !== undefined;
  }

  /** Verifies the disk and runs; the message of what is damaged when it refuses to. */
  start(): string | undefined {
    const { check, machineKind, options, rng, trace } = this.#world;
    const image = this.disk.durable;
    const damage = image.findDamage();
    trace.note(this.slot, damage === undefined ? "^" : "x", () => damage ?? `${this.id} starts at ${image.lastIndex}`);
    if (damage !== undefined) return damage;
    this.#epoch += 1;
    this.view.open(image);
    const machine = check.applies.observe(machineKind.create(), this.view);
    const random = rng.fork(`${this.id}/${this.#epoch}`);
    this.#machine = machine;
    const { hardState, first, appliedIndex, membership } = image;
    this.#replica = this.#guarded(() =>
      this.#world.createReplica({
        core: { ...options.core, id: this.id },
        clusterId,
        stored: {
          hardState,
          first: { index: first.index, term: first.term },
          entries: image.readEntries(),
          appliedIndex,
          membership: structuredClone(membership),
        },
        rows: image.readRows(),
        machine,
        random: () => random.float(),
        limits: options.limits,
      }),
    );
    this.#status = this.#replica.status;
    check.opened(this.view);
    this.#scheduleTick(this.#epoch, random.float() * tickUs);
    return undefined;
  }

  crash(damage: CrashDamage = "none"): void {
    this.#world.trace.note(this.slot, "!", () => `${this.id} crashes ${damage === "none" ? "" : damage}`);
    this.#stop();
    this.disk.crash(damage);
  }

  retire(reason: string): void {
    this.#world.trace.note(this.slot, "X", () => `${this.id} is gone: ${reason}`);
    this.#stop();
    this.isGone = true;
  }

  pause(): void {
    this.isPaused = true;
    this.#world.trace.note(this.slot, "z", () => `${this.id} pauses`);
  }

  /** What arrived meanwhile is handled before the one tick that stands for all that were missed. */
  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.#world.trace.note(this.slot, "Z", () => `${this.id} resumes`);
    if (this.#isTickMissed) this.#waiting.push({ type: "tick" });
    this.#isTickMissed = false;
    this.#queueTurn();
  }

  receive(message: Message): void {
    this.#input({ type: "message", clusterId, message });
  }

  /** Hands in what will be answered under its id, at most once; never when the server dies before. */
  ask(input: ReplicaInput & { readonly id: number }, onAnswer: (answer: Answer) => void): boolean {
    if (this.#replica === undefined) return false;
    this.#pending.set(input.id, onAnswer);
    this.#input(input);
    return true;
  }

  cancel(id: number): void {
    if (this.#replica === undefined || !this.#pending.has(id)) return;
    this.#pending.set(id, () => {});
    this.#input({ type: "cancel", id });
  }

  inform(input: ReplicaInput): void {
    this.#input(input);
  }

  /** A snapshot has arrived whole and been verified. */
  stage(stream: { from: NodeId; term: number; snapshot: SnapshotMeta; rows: readonly Row[] }): void {
    if (this.#replica === undefined) return;
    const { from, term, snapshot, rows } = stream;
    this.#world.trace.note(this.slot, "m", () => `${this.id} staged a snapshot at ${snapshot.index} of ${from}`);
    this.#staged.set(`${snapshot.index}/${snapshot.term}`, rows);
    this.#input({ type: "snapshot-staged", from, term, snapshot });
  }

  #stop(): void {
    this.#epoch += 1;
    this.#replica = undefined;
    this.#status = undefined;
    this.#machine = undefined;
    this.#waiting = [];
    this.#isTurnQueued = false;
    this.#isTickMissed = false;
    this.#pending = new Map();
    this.#staged = new Map();
    this.isPaused = false;
    this.mayHalt = false;
  }

  #scheduleTick(epoch: number, delayUs: number): void {
    const { heap, options } = this.#world;
    const skew = 1 + options.clockSkew * (((this.slot * 37) % 11) / 5 - 1);
    heap.schedule(delayUs, () => {
      if (epoch !== this.#epoch) return;
      if (this.isPaused) this.#isTickMissed = true;
      else this.#input({ type: "tick" });
      this.#scheduleTick(epoch, tickUs * skew);
    });
  }

  #input(input: ReplicaInput): void {
    if (this.#replica === undefined) return;
    this.#waiting.push(input);
    if (this.isPaused) return;
    if (this.#world.options.isGrouping) this.#queueTurn();
    else this.#turn();
  }

  #queueTurn(): void {
    if (this.#isTurnQueued) return;
    this.#isTurnQueued = true;
    const epoch = this.#epoch;
    this.#world.heap.schedule(50, () => {
      if (epoch !== this.#epoch) return;
      this.#isTurnQueued = false;
      this.#turn();
    });
  }

  #turn(): void {
    const replica = this.#replica;
    const before = this.#status;
    if (replica === undefined || before === undefined || this.isPaused || this.#waiting.length === 0) return;
    const inputs = this.#waiting;
    this.#waiting = [];
    const [only] = inputs;
    const effects = this.#guarded(() =>
      inputs.length === 1 && only !== undefined ? replica.handle(only) : replica.handleAll(inputs),
    );
    const after = replica.status;
    this.#status = after;
    this.#world.noteStatus(after);
    this.#noteRole(before, after);
    const isStillLeader = before.role === "leader" && after.role === "leader" && before.term === after.term;
    const { check } = this.#world;
    for (const effect of effects) {
      if (effect.type === "store") check.logs.batch(this.view, effect.batch, isStillLeader);
      else if (effect.type === "send") check.promises.sent(this.view, effect.message);
    }
    check.handled(this.view, before, after, {
      inputs: inputs.length,
      effects: effects.length,
      pending: this.#pending.size,
    });
    const epoch = this.#epoch;
    for (const effect of effects) if (epoch === this.#epoch) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    const { check, trace } = this.#world;
    switch (effect.type) {
      case "send":
        this.#world.send(effect.message);
        return;
      case "store": {
        const { batch } = effect;
        check.writeBegins(this.id);
        trace.note(this.slot, "s", () => describeBatch(effect));
        this.disk.write(
          { kind: "batch", batch },
          batch.mustSync,
          this.#whenStored(batch.mustSync, { type: "stored", batchId: batch.batchId }),
          this.#storeFailed(),
        );
        return;
      }
      case "install-snapshot": {
        const { snapshot, hardState } = effect;
        const rows = this.#staged.get(`${snapshot.index}/${snapshot.term}`);
        if (rows === undefined) throw new Violation("snapshot", `${this.id} installs a snapshot that is not staged`);
        check.writeBegins(this.id);
        trace.note(this.slot, "i", () => `${this.id} installs the snapshot at ${snapshot.index}`);
        const done = this.#whenStored(false, { type: "snapshot-installed", snapshot, rows });
        const onDone = (): void => {
          this.#staged.clear();
          check.installed(this.view, snapshot, hardState);
          done();
        };
        this.disk.write({ kind: "install", snapshot, hardState, rows }, true, onDone, this.#storeFailed());
        return;
      }
      case "answer":
        this.#answer(effect.id, { type: "outcome", outcome: effect.outcome });
        return;
      case "serve-read": {
        const machine = this.#machine;
        if (machine !== undefined) this.#answer(effect.id, { type: "read", machine, index: effect.index });
        return;
      }
      case "send-snapshot":
        this.#world.sendSnapshot(this, effect.to, effect.term);
        return;
      case "halt":
        trace.note(this.slot, "x", () => `${this.id} halts: ${effect.reason}`);
        this.#world.onHalt(this, effect.reason);
        return;
      case "discard-snapshot":
        this.#staged.delete(`${effect.snapshot.index}/${effect.snapshot.term}`);
        return;
      case "status":
    }
  }

  #whenStored(isSynced: boolean, input: ReplicaInput): () => void {
    const epoch = this.#epoch;
    return () => {
      if (epoch !== this.#epoch) return;
      this.#world.trace.note(this.slot, "S", () => `${this.id} stored`);
      this.#world.check.writeEnds(this.id);
      this.view.stored(isSynced);
      this.#input(input);
    };
  }

  #storeFailed(): (message: string) => void {
    const epoch = this.#epoch;
    return (message) => {
      if (epoch === this.#epoch) this.#input({ type: "store-failed", message });
    };
  }

  #answer(id: number, answer: Answer): void {
    const onAnswer = this.#pending.get(id);
    if (onAnswer === undefined) throw new Violation("one answer", `${this.id} answers ${id}, which nobody waits for`);
    this.#pending.delete(id);
    onAnswer(answer);
    if (answer.type === "outcome" && answer.outcome.ok && this.#status?.role === "leader") this.#world.answered(this);
  }

  #noteRole(before: ReplicaStatus, after: ReplicaStatus): void {
    if (before.role === after.role && before.term === after.term) return;
    const code = after.role === "leader" ? "L" : after.role === "follower" ? "F" : "C";
    this.#world.trace.note(this.slot, code, () => `${this.id} is ${after.role} in ${after.term}`);
    if (after.role === "leader") this.#world.elected(this);
  }

  #guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (thrown) {
      if (thrown instanceof Violation) throw thrown;
      const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
      throw new Violation("no crash", `${this.id} threw ${message}`, { cause: thrown });
    }
  }
}

function describeBatch({ batch }: Extract<Effect, { type: "store" }>): string {
  const { entries, hardState, truncateFrom, appliedIndex } = batch;
  const span = entries.length === 0 ? "no entries" : `entries ${entries[0]?.index}..${entries.at(-1)?.index}`;
  const cut = truncateFrom === undefined ? "" : ` cut at ${truncateFrom}`;
  return `${span}${cut} term ${hardState.term} vote ${hardState.vote} commit ${hardState.commit} applied ${appliedIndex}`;
}
