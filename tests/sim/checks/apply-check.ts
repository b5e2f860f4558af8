import type { LogIndex } from "../../../server/raft/core/types.ts";
import type { Machine } from "../../../server/raft/replica/replica-api.ts";
import { opIdOf, type RegisterMachine } from "../machine.ts";
import { hashText } from "../random.ts";
import { expectThat } from "../violation.ts";
import type { LogView } from "./log-view.ts";

interface Change {
  readonly index: LogIndex;
  readonly value: string | null;
}

/**
 * State Machine Safety as the machines see it: one command and one result per index on all servers, in order, never before
 * the entry is stored, and one effect per operation. Keeps what each register held at each index, to judge stale reads.
 */
export class ApplyCheck {
  readonly #commands = new Map<LogIndex, { readonly data: number; readonly result: number }>();
  readonly #effects = new Map<string, LogIndex>();
  readonly #stateHashes = new Map<LogIndex, string>();
  readonly #changes = new Map<string, Change[]>();
  readonly #keys: readonly string[];
  #newest: LogIndex = 0;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  effectOf(opId: string): LogIndex | undefined {
    return this.#effects.get(opId);
  }

  /** What a register held once everything up to `index` was applied. */
  valueAt(key: string, index: LogIndex): string | null {
    const changes = this.#changes.get(key) ?? [];
    return changes.findLast((change) => change.index <= index)?.value ?? null;
  }

  /** The machine with every call judged. */
  observe(machine: RegisterMachine, view: LogView): RegisterMachine {
    let appliedIndex = 0;
    return {
      read: (key) => machine.read(key),
      notify: () => machine.notify(),
      hash: () => machine.hash(),
      apply: (index, data) => {
        const { id } = view;
        expectThat(index > appliedIndex, "state machine safety", () => `${id} applies ${index} after ${appliedIndex}`);
        expectThat(
          index <= view.durableLastIndex,
          "stored before applied",
          () => `${id} applies ${index}, it has stored ${view.durableLastIndex}`,
        );
        appliedIndex = index;
        const applied = machine.apply(index, data);
        this.#applied(id, index, data, applied);
        if (index > this.#newest) this.#note(machine, index);
        return applied;
      },
      restore: (index, rows) => {
        machine.restore(index, rows);
        appliedIndex = index;
        this.compareState(view.id, index, machine);
      },
    };
  }

  /** Machines that have applied the same entries are the same, however they came there. */
  compareState(id: string, index: LogIndex, machine: Machine): void {
    const hash = machine.hash();
    const known = this.#stateHashes.get(index) ?? hash;
    expectThat(known === hash, "same state", () => `${id}'s state at ${index} is ${hash}, another's was ${known}`);
    this.#stateHashes.set(index, hash);
  }

  #applied(id: string, index: LogIndex, data: string, applied: ReturnType<Machine["apply"]>): void {
    const seen = { data: hashText(data), result: hashText(JSON.stringify([applied.result, applied.rows])) };
    const known = this.#commands.get(index) ?? seen;
    const show = (): string => `${id} applies ${index}: ${data}`;
    expectThat(known.data === seen.data, "state machine safety", () => `${show()}, another server something else`);
    expectThat(known.result === seen.result, "deterministic apply", () => `${show()}, another with another result`);
    this.#commands.set(index, known);
    const opId = opIdOf(data);
    const effect = this.#effects.get(opId) ?? index;
    expectThat(effect === index, "one effect", () => `${show()}, which has taken effect at ${effect}`);
    this.#effects.set(opId, effect);
  }

  #note(machine: RegisterMachine, index: LogIndex): void {
    this.#newest = index;
    for (const key of this.#keys) {
      const value = machine.read(key);
      const changes = this.#changes.get(key) ?? [];
      if ((changes.at(-1)?.value ?? null) === value) continue;
      changes.push({ index, value });
      this.#changes.set(key, changes);
    }
  }
}
