import { Type } from "typebox";
import type { Static } from "typebox";
import { compileRegex } from "../base/linear-regex.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * How parts of a request are compared with a configuration: paths, header fields and query parameters, in routes and in
 * intentions. Names and meanings are those of Consul's `service-router` and `service-intentions` and of the Gateway API.
 */
const closed = { additionalProperties: false } as const;
const Value = Type.String({ maxLength: 4_096, default: "" });
const IgnoreCase = Type.Boolean({ default: false });

/**
 * `exact` is the whole path, `prefix` its beginning as text (Consul's PathPrefix), `path-prefix` its beginning by whole segments
 * (the Gateway API's PathPrefix: `/a` takes `/a` and `/a/b`, not `/ab`), `regex` an RE2 expression for the whole path.
 * Compared is the path that is forwarded, normalised, without its query.
 */
export const PathMatchSchema = Type.Object(
  { type: Type.Enum(["exact", "prefix", "path-prefix", "regex"]), value: Value, ignoreCase: IgnoreCase },
  closed,
);

/** A field that occurs several times has the value of all, joined by a comma (RFC 9110 section 5.3). `present` needs no value. */
export const FieldMatchSchema = Type.Object(
  {
    name: Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", maxLength: 256 }),
    type: Type.Enum(["exact", "prefix", "suffix", "contains", "regex", "present"]),
    value: Value,
    ignoreCase: IgnoreCase,
    invert: Type.Boolean({ default: false }),
  },
  closed,
);

/** The first parameter of that name counts, decoded; `present` needs no value. */
export const QueryMatchSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256 }),
    type: Type.Enum(["exact", "regex", "present"]),
    value: Value,
  },
  closed,
);

export const MethodsSchema = Type.Array(Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", maxLength: 64 }), {
  maxItems: 64,
  default: [],
});

export type PathMatch = Static<typeof PathMatchSchema>;
export type FieldMatch = Static<typeof FieldMatchSchema>;
export type QueryMatch = Static<typeof QueryMatchSchema>;

/** Of a match at `path` in its document: what a schema cannot say. */
export function matchIssues(path: string, match: PathMatch | FieldMatch | QueryMatch): SchemaIssue[] {
  const { type, value } = match;
  if (type === "present") return [];
  if (type === "regex") {
    const compiled = compileRegex(value);
    if (compiled.ok) return [];
    return [
      { path: `${path}.value`, message: `must be a regular expression of RE2, found "${value}": ${compiled.message}` },
    ];
  }
  if (!("name" in match) && !value.startsWith("/")) {
    return [{ path: `${path}.value`, message: `must begin with /, found "${value}"` }];
  }
  // An empty text begins and ends everything: such a rule was meant to be another one.
  if (value === "" && type !== "exact") return [{ path: `${path}.value`, message: "must not be empty" }];
  return [];
}
