import type { Operation } from "./history.ts";
import { type RegisterInput, type RegisterOutput, registerModel } from "./register-model.ts";

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

/**
 * A history that is linearizable by construction: each operation takes effect on a real register at a random instant
 * between its call and its return. Of the share with an unknown outcome half never happen and half happen at some later time.
 */
export function randomHistory(options: {
  readonly seed: number;
  readonly clients: number;
  readonly operations: number;
  readonly keys: number;
  readonly unknownShare: number;
}): RegisterOperation[] {
  const random = randomOf(options.seed);
  const free = Array.from({ length: options.clients }, () => random() * 10);
  const planned: { readonly effect: number; readonly operation: RegisterOperation }[] = [];
  for (let number = 0; number < options.operations; number++) {
    const client = free.indexOf(Math.min(...free));
    const call = free[client] ?? 0;
    const end = call + random() * 20;
    free[client] = end + random() * 5;
    const input = randomInput({ random, keys: options.keys, number });
    const isUnknown = random() < options.unknownShare;
    const effect = isUnknown && random() < 0.5 ? Infinity : call + random() * (isUnknown ? 200 : end - call);
    planned.push({ effect, operation: { client, call, return: isUnknown ? Infinity : end, input } });
  }
  return execute(planned);
}

/** Changes what one read with a known outcome saw into a value that was never written. */
export function mutateRead(history: readonly RegisterOperation[], seed: number): RegisterOperation[] {
  const reads = history.filter(({ input, output }) => input.type === "read" && output !== undefined);
  const victim = reads[Math.floor(randomOf(seed)() * reads.length)];
  if (victim === undefined) throw new Error("a history without reads cannot be changed");
  const output: RegisterOutput = { type: "value", value: "never written" };
  return history.map((operation) => (operation === victim ? { ...operation, output } : operation));
}

/** A generator of numbers in [0, 1) for a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomInput(options: {
  readonly random: () => number;
  readonly keys: number;
  readonly number: number;
}): RegisterInput {
  const { random } = options;
  const key = `k${Math.floor(random() * options.keys)}`;
  const kind = random();
  if (kind < 0.5) return { type: "read", key };
  const value = `v${Math.floor(random() * 5)}`;
  if (kind < 0.8) return { type: "write", key, value };
  return { type: "cas", key, expected: random() < 0.2 ? null : `v${Math.floor(random() * 5)}`, value };
}

function execute(
  planned: readonly { readonly effect: number; readonly operation: RegisterOperation }[],
): RegisterOperation[] {
  const registers = new Map<string, string | null>();
  const byEffect = planned.toSorted((a, b) => a.effect - b.effect);
  const outputs = new Map<RegisterOperation, RegisterOutput>();
  for (const { effect, operation } of byEffect) {
    if (effect === Infinity) continue;
    const { input } = operation;
    const before = registers.get(input.key) ?? null;
    const after = registerModel.step(before, input, undefined);
    registers.set(input.key, after === undefined ? before : after.state);
    const isApplied = input.type !== "cas" || before === input.expected;
    outputs.set(operation, input.type === "read" ? { type: "value", value: before } : { type: "done", isApplied });
  }
  return planned.map(({ operation }) => {
    const output = outputs.get(operation);
    return operation.return === Infinity || output === undefined ? operation : { ...operation, output };
  });
}
