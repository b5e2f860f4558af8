import type { Model } from "./history.ts";

/** A register per key that is empty (`null`) at first. */
export type RegisterInput =
  | { readonly type: "read"; readonly key: string }
  | { readonly type: "write"; readonly key: string; readonly value: string | null }
  | { readonly type: "cas"; readonly key: string; readonly expected: string | null; readonly value: string | null };

/** `value` of a read; `isApplied` of a write (always) and of a compare-and-set. */
export type RegisterOutput =
  | { readonly type: "value"; readonly value: string | null }
  | { readonly type: "done"; readonly isApplied: boolean };

/** Reads, blind writes (null deletes) and compare-and-set of one register; partition histories by `registerKey`. */
export const registerModel: Model<string | null, RegisterInput, RegisterOutput> = {
  init: () => null,
  step(state, input, output) {
    switch (input.type) {
      case "read":
        return output === undefined || (output.type === "value" && output.value === state) ? { state } : undefined;
      case "write":
        return output === undefined || (output.type === "done" && output.isApplied)
          ? { state: input.value }
          : undefined;
      case "cas": {
        const isApplied = state === input.expected;
        if (output !== undefined && (output.type !== "done" || output.isApplied !== isApplied)) return undefined;
        return { state: isApplied ? input.value : state };
      }
    }
  },
  equal: (a, b) => a === b,
  hash: (state) => hashText(state ?? ""),
  isReadOnly: (input, output) =>
    input.type === "read" || (input.type === "cas" && output?.type === "done" && !output.isApplied),
};

export function registerKey(input: RegisterInput): string {
  return input.key;
}

/** FNV-1a over UTF-16 units. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let position = 0; position < text.length; position++) {
    hash = Math.imul(hash ^ text.charCodeAt(position), 0x01000193);
  }
  return hash;
}
