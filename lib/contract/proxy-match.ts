import { Type } from "typebox";
import type { Static } from "typebox";
import { compileRegex } from "../base/linear-regex.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * How parts of a request are compared with a configuration: paths, header fields and query parameters, in routes and in
 * intentions. Names and meanings are those of Consul's `service-router` and `service-intentions` and of the Gateway API.
 */
const closed = { additionalProperties: false } as const;
const Value = (description: string) => Type.String({ maxLength: 4_096, default: "", description });
const IgnoreCase = Type.Boolean({ default: false, description: "whether a and A are the same" });

/**
 * `exact` is the whole path, `prefix` its beginning as text (Consul's PathPrefix), `path-prefix` its beginning by whole segments
 * (the Gateway API's PathPrefix: `/a` takes `/a` and `/a/b`, not `/ab`), `regex` an RE2 expression for the whole path.
 * Compared is the path that is forwarded, normalised, without its query.
 */
export const PathMatchSchema = Type.Object(
  {
    type: Type.Enum(["exact", "prefix", "path-prefix", "regex"], {
      description: "the whole path, its beginning as text, its beginning by whole segments, or an RE2 expression",
    }),
    value: Value("begins with /; for regex the expression for the whole path"),
    ignoreCase: IgnoreCase,
  },
  { ...closed, description: "the path that is forwarded, without its query" },
);

/** A field that occurs several times has the value of all, joined by a comma (RFC 9110 section 5.3). `present` needs no value. */
export const FieldMatchSchema = Type.Object(
  {
    name: Type.String({
      pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
      maxLength: 256,
      description: "of the field, in any case; host is the authority",
    }),
    type: Type.Enum(["exact", "prefix", "suffix", "contains", "regex", "present"], {
      description: "how the value is compared; regex is an RE2 expression for all of it",
    }),
    value: Value("what it is compared with; nothing for present"),
    ignoreCase: IgnoreCase,
    invert: Type.Boolean({ default: false, description: "whether it shall not match" }),
  },
  closed,
);

/** The first parameter of that name counts, decoded; `present` needs no value. */
export const QueryMatchSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256, description: "of the parameter" }),
    type: Type.Enum(["exact", "regex", "present"], { description: "how the value is compared" }),
    value: Value("what it is compared with; nothing for present"),
  },
  closed,
);

export const MethodsSchema = Type.Array(Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", maxLength: 64 }), {
  maxItems: 64,
  default: [],
  description: "any of them, all when empty; an upgrade is a GET",
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
