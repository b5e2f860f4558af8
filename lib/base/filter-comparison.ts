import { compileRegex } from "./linear-regex.ts";

/**
 * How the values of a filter expression are compared: typed when the expression is read, as Consul's go-bexpr does. `struct` is a
 * part that has fields of its own, `structs` a list of such parts.
 */
export type FilterKind = "text" | "number" | "boolean" | "list" | "map" | "struct" | "structs";

/** A value that a selector can come to; undefined for the key of a map that is not there. */
export type FilterValue =
  | string
  | number
  | boolean
  | readonly unknown[]
  | Readonly<Record<string, unknown>>
  | undefined;

export type Comparison = (value: FilterValue) => boolean;

/** One operator with the value that stands beside it. */
export interface Operation {
  /** As go-bexpr calls it in its refusals. */
  readonly name: string;
  /** What comes of a key that its map does not have. */
  readonly ifMissing: boolean;
  /** For the kind of a field: the comparison, `undefined` where the operator makes no sense, or what is wrong with the value. */
  compile(kind: FilterKind): Comparison | { readonly problem: string; readonly cause: string } | undefined;
}

export function equals(wanted: string): Operation {
  return {
    name: "Equal",
    ifMissing: false,
    compile(kind) {
      if (kind === "text") return (value) => value === wanted;
      if (kind !== "number" && kind !== "boolean") return undefined;
      const typed = kind === "number" ? asInteger(wanted) : asBoolean(wanted);
      if (typed !== undefined) return (value) => value === typed;
      const parse = kind === "number" ? "strconv.ParseInt" : "strconv.ParseBool";
      const value = JSON.stringify(wanted);
      return { problem: `Failed to coerce value ${value}`, cause: `${parse}: parsing ${value}: invalid syntax` };
    },
  };
}

/** A text in a text, an element of a list, a key of a map. */
export function holds(wanted: string): Operation {
  return {
    name: "In",
    ifMissing: false,
    compile(kind) {
      if (kind === "text") return (value) => typeof value === "string" && value.includes(wanted);
      if (kind === "list") return (value) => Array.isArray(value) && value.includes(wanted);
      if (kind === "map") return (value) => typeof value === "object" && Object.hasOwn(value, wanted);
      return undefined;
    },
  };
}

/** As Go's regular expressions do: anywhere in the text. */
export function fits(pattern: string): Operation {
  return {
    name: "Matches",
    // Not a comparison that anybody would choose; go-bexpr does so.
    ifMissing: true,
    compile(kind) {
      if (kind !== "text") return undefined;
      const compiled = compileRegex(`(?s:.*?)(?:${pattern})(?s:.*)`);
      if (compiled.ok) return (value) => typeof value === "string" && compiled.regex.matches(value);
      return { problem: `Failed to compile regular expression ${JSON.stringify(pattern)}`, cause: compiled.message };
    },
  };
}

/** go-bexpr refuses it for a text; the subsets of service-resolvers do not. */
export const isEmpty: Operation = {
  name: "Is Empty",
  ifMissing: true,
  compile(kind) {
    if (kind === "text") return (value) => value === "";
    if (kind === "list" || kind === "structs") return (value) => Array.isArray(value) && value.length === 0;
    if (kind === "map") return (value) => typeof value === "object" && Object.keys(value).length === 0;
    return undefined;
  },
};

export function negated(operation: Operation): Operation {
  const { name } = operation;
  return {
    name: name.startsWith("Is ") ? name.replace("Is ", "Is Not ") : `Not ${name}`,
    // `not matches` holds too, as go-bexpr has it.
    ifMissing: name === "Matches" || !operation.ifMissing,
    compile(kind) {
      const comparison = operation.compile(kind);
      return typeof comparison === "function" ? (value) => !comparison(value) : comparison;
    },
  };
}

/** As Go's ParseInt does in base 0: `0x1f`, `0b11`, `0o17`, `017`, `1_000`. */
function asInteger(text: string): number | undefined {
  const [, sign = "", prefix = "", digits = ""] =
    /^([+-]?)(0[xX]|0[bB]|0[oO]|0(?=[0-9_]))?([0-9a-fA-F_]+)$/.exec(text) ?? [];
  const hasOddUnderscore = digits.includes("__") || digits.endsWith("_") || (prefix === "" && digits.startsWith("_"));
  if (digits === "" || hasOddUnderscore) return undefined;
  const plain = digits.replaceAll("_", "");
  const radix = { "": "", "0": "0o" }[prefix] ?? prefix.toLowerCase();
  const fitting = { "": /^[0-9]+$/, "0o": /^[0-7]+$/, "0b": /^[01]+$/, "0x": /^[0-9a-fA-F]+$/ }[radix];
  if (fitting?.test(plain) !== true) return undefined;
  const size = BigInt(radix + plain);
  return size > 0x7fff_ffff_ffff_ffffn ? undefined : Number(sign === "-" ? -size : size);
}

/** As Go reads them. */
function asBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}
