import { mustGet } from "../../lib/base/assert.ts";
import { compileRegex } from "../../lib/base/linear-regex.ts";

/** Whether a text is what a configuration asks for. */
export type TextMatcher = (text: string) => boolean;

export interface TextMatch {
  readonly type: "exact" | "prefix" | "path-prefix" | "suffix" | "contains" | "regex" | "present";
  readonly value: string;
  readonly ignoreCase?: boolean;
}

/** Expressions are checked when the document is parsed. */
export function compileTextMatch({ type, value, ignoreCase = false }: TextMatch): TextMatcher {
  if (type === "regex") {
    const compiled = compileRegex(value, { ignoresCase: ignoreCase });
    const { regex } = mustGet(compiled.ok ? compiled : undefined, "expressions are checked when parsed");
    return (text) => regex.matches(text);
  }
  if (!ignoreCase) return plainMatcher(type, value);
  const matches = plainMatcher(type, value.toLowerCase());
  return (text) => matches(text.toLowerCase());
}

function plainMatcher(type: Exclude<TextMatch["type"], "regex">, value: string): TextMatcher {
  switch (type) {
    case "exact":
      return (text) => text === value;
    case "prefix":
      return (text) => text.startsWith(value);
    case "path-prefix":
      return segmentPrefix(value);
    case "suffix":
      return (text) => text.endsWith(value);
    case "contains":
      return (text) => text.includes(value);
    case "present":
      return () => true;
  }
}

/** `/a` and `/a/` are the same prefix: `/a`, `/a/` and `/a/b` have it, `/ab` has not. */
function segmentPrefix(value: string): TextMatcher {
  const prefix = value.endsWith("/") ? value.slice(0, -1) : value;
  return (text) => text.startsWith(prefix) && (text.length === prefix.length || text[prefix.length] === "/");
}
