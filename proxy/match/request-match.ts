import type { FieldMatch, PathMatch, QueryMatch } from "../../lib/contract/proxy-match.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import { pathReadings } from "./path-readings.ts";
import { compileTextMatch, type TextMatcher } from "./text-match.ts";

/** Conditions on one request, of which all must hold. */
export interface RequestConditions {
  readonly path?: PathMatch;
  readonly headers: readonly FieldMatch[];
  readonly query?: readonly QueryMatch[];
  /** Any of them; all methods when empty. */
  readonly methods: readonly string[];
}

export type RequestMatcher = (head: RequestHead) => boolean;

/**
 * What follows when the application may read another path than the one that is forwarded, or one line of a repeated field
 * alone. `ignored`: conditions are about what is forwarded. `matches`, for what shall not get through: one reading that matches
 * is enough. `fails`, for what may get through: no reading may fail.
 */
export type Doubt = "ignored" | "matches" | "fails";

/** Reads nothing but the canonical head: what matches is what is forwarded. */
export function compileConditions(
  { path, headers, query = [], methods }: RequestConditions,
  doubt: Doubt = "ignored",
): RequestMatcher {
  const checks: RequestMatcher[] = [];
  if (methods.length > 0) {
    const allowed = new Set(methods);
    // An upgrade is a GET to HTTP/1.1 and to an application that overlooks it (RFC 8441 section 5).
    checks.push(({ method, protocol }) => allowed.has(protocol === "" ? method : "GET"));
  }
  if (path !== undefined) {
    const matches = compileTextMatch(path);
    // An exact path that may get through is one that was written down as it is.
    const isPlain = doubt === "ignored" || (doubt === "fails" && path.type === "exact");
    checks.push(isPlain ? (head) => matches(pathOf(head)) : doubtfully(matches, doubt));
  }
  for (const match of headers) checks.push(compileField(match, doubt));
  for (const match of query) checks.push(compileQuery(match));
  const [only] = checks;
  if (only === undefined) return () => true;
  return checks.length === 1 ? only : (head) => checks.every((check) => check(head));
}

function doubtfully(matches: TextMatcher, doubt: Doubt): RequestMatcher {
  return (head) => {
    const path = pathOf(head);
    const isMatch = matches(path);
    if (isMatch === (doubt === "matches")) return isMatch;
    const readings = pathReadings(path);
    // What has more readings than can be looked at is nothing that users mean, and gets through nowhere.
    if (readings === undefined) return doubt === "matches";
    return doubt === "matches" ? readings.some(matches) : readings.every(matches);
  };
}

/** Without the query. */
export function pathOf({ path }: RequestHead): string {
  const at = path.indexOf("?");
  return at < 0 ? path : path.slice(0, at);
}

function compileField({ invert, ...match }: FieldMatch, doubt: Doubt): RequestMatcher {
  const name = match.name.toLowerCase();
  const matches = compileTextMatch(match);
  // What must not be there must not be in any line; what has to be there is one list, whose lines are parts (RFC 9110, 5.3).
  const readsLines = doubt === (invert ? "fails" : "matches");
  return (head) => {
    const value = name === "host" ? head.authority : fieldValue(head.block, name);
    if (value === undefined) return invert;
    return (matches(value) || (readsLines && hasLine(head.block, name, matches))) !== invert;
  };
}

function hasLine({ fields }: FieldBlock, name: string, matches: TextMatcher): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name && matches(fields[i + 1] ?? "")) return true;
  return false;
}

/** All values of a field, in order, as one (RFC 9110 section 5.3): a rule cannot be evaded by a second line. */
export function fieldValue(block: FieldBlock, name: string): string | undefined {
  const { fields } = block;
  let value: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name) value = value === undefined ? fields[i + 1] : `${value},${fields[i + 1]}`;
  }
  return value;
}

function compileQuery(match: QueryMatch): RequestMatcher {
  const matches: TextMatcher = compileTextMatch(match);
  return ({ path }) => {
    const at = path.indexOf("?");
    if (at < 0) return false;
    const value = new URLSearchParams(path.slice(at + 1)).get(match.name);
    return value !== null && matches(value);
  };
}
