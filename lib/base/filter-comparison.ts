import { compileRegex } from "./linear-regex.ts";

/** How the values of a filter expression are compared: typed when the expression is read, as Consul's go-bexpr does. */
export type FilterKind = "text" | "number" | "boolean" | "list" | "map";

/** A value that a selector can come to; undefined for the key of a map that is not there. */
export type FilterValue = string | number | boolean | readonly string[] | Readonly<Record<string, unknown>> | undefined;

export type Comparison = (value: FilterValue) => boolean;
/** For the kind of a field: the comparison, or why it makes no sense there. */
export type ComparisonOf = (kind: FilterKind) => Comparison | string;

export function equals(wanted: string): ComparisonOf {
  return (kind) => {
    if (kind === "text") return (value) => value === wanted;
    if (kind === "list" || kind === "map") return "has several values: use in, contains or is empty";
    const typed = kind === "number" ? asNumber(wanted) : asBoolean(wanted);
    return typed === undefined ? `is compared with a ${kind}, found "${wanted}"` : (value) => value === typed;
  };
}

/** A text in a text, an element of a list, a key of a map. */
export function holds(wanted: string): ComparisonOf {
  return (kind) => {
    if (kind === "number" || kind === "boolean") return "has one value: use == or !=";
    return (value) => {
      if (typeof value === "string") return value.includes(wanted);
      if (isList(value)) return value.includes(wanted);
      return typeof value === "object" && Object.hasOwn(value, wanted);
    };
  };
}

/** As Go's regular expressions do: anywhere in the text. */
export function fits(pattern: string): ComparisonOf {
  return (kind) => {
    if (kind !== "text") return "is no text: an expression cannot match it";
    const compiled = compileRegex(`(?s:.*?)(?:${pattern})(?s:.*)`);
    if (!compiled.ok) return `is matched with "${pattern}", which is no regular expression: ${compiled.message}`;
    return (value) => typeof value === "string" && compiled.regex.matches(value);
  };
}

export function negated(comparisonOf: ComparisonOf): ComparisonOf {
  return (kind) => {
    const comparison = comparisonOf(kind);
    return typeof comparison === "string" ? comparison : (value) => !comparison(value);
  };
}

export function isEmpty(value: FilterValue): boolean {
  if (value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function isList(value: FilterValue): value is readonly string[] {
  return Array.isArray(value);
}

function asNumber(text: string): number | undefined {
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
}

/** As Go reads them. */
function asBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}
