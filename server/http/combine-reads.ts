import type { Read } from "../state/reader.ts";

/** Two reads answered as one: the newer of their indexes, and the keys of both to watch. */
export function combineReads<A, B>(a: Read<A>, b: Read<B>): Read<readonly [A, B]> {
  return { index: Math.max(a.index, b.index), value: [a.value, b.value], watch: [...a.watch, ...b.watch] };
}
