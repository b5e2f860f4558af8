import type { ExtAuthzConfig, NamePattern } from "../../../lib/contract/proxy-ext-authz.ts";
import { compileTextMatch } from "../../match/text-match.ts";
import type { FieldFilter } from "./check-request.ts";

/** Whether any of the patterns is a field's name, which is given in lower case. */
export function compileNames(patterns: readonly NamePattern[]): FieldFilter {
  const matchers = patterns.map((pattern) => compileTextMatch({ ...pattern, ignoreCase: true }));
  return (name) => matchers.some((matches) => matches(name));
}

/** Which fields of a request are sent; `always` are the names that need not be allowed. */
export function compileSent(
  { allowedHeaders, disallowedHeaders }: ExtAuthzConfig,
  { sendsAll, always }: { readonly sendsAll: boolean; readonly always: readonly string[] },
): FieldFilter {
  const isAllowed = compileNames(allowedHeaders ?? []);
  const isDisallowed = compileNames(disallowedHeaders);
  const isAlways = new Set(always);
  const allowsAll = sendsAll && allowedHeaders === undefined;
  return (name) => (allowsAll || isAlways.has(name) || isAllowed(name)) && !isDisallowed(name);
}
