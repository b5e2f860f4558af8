/**
 * What clients saw and what an object may do: the two things that a check of linearizability compares. Times are of any
 * unit as long as all clients share one clock; a client has at most one operation open at a time.
 */
export interface Operation<Input, Output> {
  readonly client: number;
  /** When the client sent it. */
  readonly call: number;
  /** When the client had the answer; `Infinity` when it never learned whether the operation took effect. */
  readonly return: number;
  readonly input: Input;
  /** Absent exactly when `return` is `Infinity`. */
  readonly output?: Output;
}

/** One object's sequential behaviour. States are values: `step` never changes the one that it is given. */
export interface Model<State, Input, Output> {
  readonly init: () => State;
  /**
   * The state after the operation, or undefined when it cannot have given this answer in this state. Without an `output`
   * (unknown outcome) every answer is possible, so a state always comes back.
   */
  readonly step: (state: State, input: Input, output: Output | undefined) => { readonly state: State } | undefined;
  readonly equal: (a: State, b: State) => boolean;
  /** Equal states have equal hashes; a 32-bit integer. */
  readonly hash: (state: State) => number;
  /**
   * An operation that with this answer changes nothing in any state, such as a read or a refused compare-and-set. Reads
   * whose outcome is unknown say nothing and are left out.
   */
  readonly isReadOnly: (input: Input, output: Output | undefined) => boolean;
}

export interface CheckOptions<Input, Output> {
  /** Objects that do not affect each other are checked apart: the cost is exponential in what is checked together. */
  readonly partition?: (input: Input) => string;
  /** Bound on tried operations of one partition, the same on every machine. */
  readonly maxSteps?: number;
  /** Bound on the time of the whole check. */
  readonly timeoutMs?: number;
  readonly describe?: (operation: Operation<Input, Output>) => string;
}

/** `unknown` is a bound that was hit: callers count it as a failure, since nothing was proven. */
export type Verdict =
  | {
      readonly outcome: "linearizable";
      readonly operations: number;
      readonly partitions: number;
      readonly steps: number;
    }
  | { readonly outcome: "violation" | "unknown"; readonly key: string; readonly explanation: string };
