import { type Entry, lift, linkEntries, unlift } from "./entry-list.ts";
import type { CheckOptions, Model, Operation, Verdict } from "./history.ts";
import { Visited } from "./visited.ts";

/**
 * Whether a history of concurrent operations can be explained by one order that respects real time and the model (Herlihy and
 * Wing 1990). The search is that of Wing and Gong with Lowe's memo, as in porcupine: always try to place next one of the
 * operations that began before the first one that has ended, and take back the last placed one at a dead end.
 *
 * Operations of unknown outcome may be placed at any point after their call, or never. Failed ones that certainly had no effect
 * do not belong into the history at all.
 */
export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  options: CheckOptions<Input, Output> = {},
): Verdict {
  const deadlineMs = performance.now() + (options.timeoutMs ?? defaultTimeoutMs);
  const groups = partition(model, history, options.partition);
  let steps = 0;
  for (const [key, operations] of groups) {
    const search = new Search(model, operations);
    const outcome = search.run({ maxSteps: options.maxSteps ?? defaultMaxSteps, deadlineMs });
    steps += search.steps;
    if (outcome === "linearizable") continue;
    const describe = options.describe ?? ((operation) => JSON.stringify(operation));
    return { outcome, key, explanation: search.explain(describe) };
  }
  return { outcome: "linearizable", operations: history.length, partitions: groups.size, steps };
}

const defaultMaxSteps = 5_000_000;
const defaultTimeoutMs = 60_000;
const stepsBetweenLooksAtTheClock = 1_024;
const maxExplainedOperations = 20;

function partition<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  keyOf: ((input: Input) => string) | undefined,
): Map<string, Operation<Input, Output>[]> {
  const groups = new Map<string, Operation<Input, Output>[]>();
  for (const operation of history) {
    if (operation.return < operation.call) throw new Error(`an operation returned before its call: ${operation.call}`);
    const isUnknown = operation.return === Number.POSITIVE_INFINITY;
    if (isUnknown && operation.output !== undefined) throw new Error("an operation of unknown outcome has an output");
    if (isUnknown && model.isReadOnly(operation.input, undefined)) continue;
    const key = keyOf?.(operation.input) ?? "";
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [operation]);
    else group.push(operation);
  }
  return groups;
}

/** The search through the orders of one partition. */
class Search<State, Input, Output> {
  steps = 0;
  readonly #model: Model<State, Input, Output>;
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #visited: Visited<State>;
  /** The placed operations in their order, with the state before each. */
  readonly #placed: { readonly entry: Entry<Input, Output>; readonly before: State; readonly isChoice: boolean }[] = [];
  #state: State;
  /** Completed operations that are not placed. */
  #missing = 0;
  #longest: readonly Operation<Input, Output>[] = [];
  #longestState: State;

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    this.#model = model;
    this.#operations = operations;
    const isUnknown = operations.map((operation) => operation.return === Number.POSITIVE_INFINITY);
    this.#visited = new Visited({ isUnknown, equal: model.equal, hash: model.hash });
    this.#state = model.init();
    this.#longestState = this.#state;
  }

  run(bounds: { readonly maxSteps: number; readonly deadlineMs: number }): "linearizable" | "violation" | "unknown" {
    const list = linkEntries(this.#operations);
    if (list === undefined) return "linearizable";
    this.#missing = list.completed;
    let entry = this.#placeReads(list.head);
    while (this.#missing > 0) {
      if (this.#isOver(bounds)) return "unknown";
      if (entry !== undefined && !entry.isReturn) {
        entry = this.#place(entry) ? this.#placeReads(list.head) : entry.after;
        continue;
      }
      // A return whose call is not placed yet: nothing that began later may come before it, so the last choice was wrong.
      const choice = this.#takeBack();
      if (choice === undefined) return "violation";
      entry = choice.after;
    }
    return "linearizable";
  }

  /** What the search came to at its best, for a person who has to find the bug behind it. */
  explain(describe: (operation: Operation<Input, Output>) => string): string {
    const placed = new Set(this.#longest);
    const missing = this.#operations.filter((operation) => !placed.has(operation)).sort((a, b) => a.call - b.call);
    const firstEnd = missing.reduce((earliest, operation) => Math.min(earliest, operation.return), Infinity);
    const next = missing.filter((operation) => operation.call <= firstEnd);
    const tail = this.#longest.slice(-maxExplainedOperations);
    return [
      `${this.#longest.length} of ${this.#operations.length} operations fit in an order, the last ones being:`,
      ...tail.map((operation) => `  ${describe(operation)}`),
      `which leaves ${JSON.stringify(this.#longestState)}; none of these can be next:`,
      ...next.slice(0, maxExplainedOperations).map((operation) => `  ${describe(operation)}`),
    ].join("\n");
  }

  #isOver(bounds: { readonly maxSteps: number; readonly deadlineMs: number }): boolean {
    this.steps++;
    if (this.steps > bounds.maxSteps) return true;
    return this.steps % stepsBetweenLooksAtTheClock === 1 && performance.now() > bounds.deadlineMs;
  }

  /** Puts the operation next in the order when the model allows it and the result has not been tried before. */
  #place(entry: Entry<Input, Output>): boolean {
    const { input, output } = entry.operation;
    const isKnown = entry.match !== undefined;
    const next = this.#model.step(this.#state, input, output);
    if (next === undefined) return false;
    // Whatever an unknown operation without effect could explain is explained without it as well.
    if (!isKnown && this.#model.equal(next.state, this.#state)) return false;
    if (this.#isLastWasted(entry, next.state)) return false;
    this.#visited.toggle(entry.id);
    if (!this.#visited.isNew(next.state)) {
      this.#visited.toggle(entry.id);
      return false;
    }
    this.#push({ entry, after: next.state, isChoice: true });
    return true;
  }

  /**
   * Whether the same is reached without the operation placed last, which need not have happened: an unknown write that is
   * overwritten unseen. That order is tried on its own, and leaves more possibilities.
   */
  #isLastWasted(entry: Entry<Input, Output>, reached: State): boolean {
    const last = this.#placed.at(-1);
    if (last === undefined || last.entry.match !== undefined) return false;
    const without = this.#model.step(last.before, entry.operation.input, entry.operation.output);
    return without !== undefined && this.#model.equal(without.state, reached);
  }

  /**
   * Places all reads that may come next and saw the present state; the first entry behind. An order that has such a read
   * later remains one when the read is moved to here, so this is no choice that might have to be taken back alone.
   */
  #placeReads(head: Entry<Input, Output>): Entry<Input, Output> | undefined {
    let entry = head.after;
    while (entry !== undefined && !entry.isReturn) {
      const { input, output } = entry.operation;
      const isRead = entry.match !== undefined && this.#model.isReadOnly(input, output);
      const next = isRead ? this.#model.step(this.#state, input, output) : undefined;
      if (next === undefined) {
        entry = entry.after;
        continue;
      }
      this.#visited.toggle(entry.id);
      this.#push({ entry, after: next.state, isChoice: false });
      // Its return may have been the one in the way.
      entry = head.after;
    }
    return head.after;
  }

  #push(step: { readonly entry: Entry<Input, Output>; readonly after: State; readonly isChoice: boolean }): void {
    this.#placed.push({ entry: step.entry, before: this.#state, isChoice: step.isChoice });
    this.#state = step.after;
    lift(step.entry);
    if (step.entry.match !== undefined) this.#missing--;
  }

  /** Takes back the last choice with everything that followed from it. */
  #takeBack(): Entry<Input, Output> | undefined {
    if (this.#placed.length > this.#longest.length) {
      this.#longest = this.#placed.map((one) => one.entry.operation);
      this.#longestState = this.#state;
    }
    for (;;) {
      const last = this.#placed.pop();
      if (last === undefined) return undefined;
      this.#visited.toggle(last.entry.id);
      this.#state = last.before;
      unlift(last.entry);
      if (last.entry.match !== undefined) this.#missing++;
      if (last.isChoice) return last.entry;
    }
  }
}
