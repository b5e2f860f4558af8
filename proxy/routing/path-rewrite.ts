import { mustGet } from "../../lib/base/assert.ts";
import { compileRegex } from "../../lib/base/linear-regex.ts";
import type { PathMatch } from "../../lib/contract/proxy-match.ts";
import type { RewriteConfig } from "../../lib/contract/proxy-routes.ts";
import { normalisePath, type PathRules } from "../message/path.ts";

/** Of a path without its query, which the route has matched; undefined when it is more than is rewritten. */
export type PathRewrite = (path: string) => string | undefined;

/** Longer ones are not given to an expression, which may go through the rest of the path for each of its matches. */
const maxExpressionCharacters = 4_096;
/** Longer ones are nobody's path: groups that are put in many times over must not make much of little. */
const maxRewrittenCharacters = 65_536;

export interface PathRewriteConfig {
  readonly prefix?: string | undefined;
  readonly path?: string | undefined;
  readonly regex?: RewriteConfig["regex"] | undefined;
}

/** Undefined when the path stays. */
export function compilePathRewrite(
  { prefix, path, regex }: PathRewriteConfig,
  match: PathMatch | undefined,
): PathRewrite | undefined {
  if (path !== undefined) return () => path;
  if (prefix !== undefined) return prefixRewrite(prefix, match);
  if (regex === undefined) return undefined;
  const compiled = compileRegex(regex.pattern);
  const { regex: pattern } = mustGet(compiled.ok ? compiled : undefined, "expressions are checked when parsed");
  return (text) => (text.length > maxExpressionCharacters ? undefined : pattern.replaceAll(text, regex.substitution));
}

function prefixRewrite(by: string, match: PathMatch | undefined): PathRewrite {
  switch (match?.type) {
    case "path-prefix": {
      const start = withoutSlash(by);
      const { length } = withoutSlash(match.value);
      return (path) => start + path.slice(length) || "/";
    }
    case "exact":
    case "regex":
      return () => by;
    case "prefix":
      return (path) => by + path.slice(match.value.length);
    case undefined:
      return (path) => by + path.slice(1);
  }
}

function withoutSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

/**
 * `target` is path and query. What comes out is canonical again, as the rules of the listener say, or undefined when they refuse
 * it: behind a rewrite nobody finds a path that a rule would have read as another one. `OPTIONS *` has no path.
 */
export function rewriteTarget(target: string, rewrite: PathRewrite, rules: PathRules): string | undefined {
  if (!target.startsWith("/")) return target;
  const queryAt = target.indexOf("?");
  const path = rewrite(queryAt < 0 ? target : target.slice(0, queryAt));
  if (path?.startsWith("/") !== true || path.length > maxRewrittenCharacters) return undefined;
  const outcome = normalisePath(queryAt < 0 ? path : path + target.slice(queryAt), rules);
  if (typeof outcome === "string") return outcome;
  return "redirect" in outcome ? outcome.redirect : undefined;
}
