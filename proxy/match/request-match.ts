import type { FieldMatch, PathMatch, QueryMatch } from "../../lib/contract/proxy-match.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
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

/** Reads nothing but the canonical head: what matches is what is forwarded. */
export function compileConditions({ path, headers, query = [], methods }: RequestConditions): RequestMatcher {
  const checks: RequestMatcher[] = [];
  if (methods.length > 0) {
    const allowed = new Set(methods);
    checks.push((head) => allowed.has(head.method));
  }
  if (path !== undefined) {
    const matches = compileTextMatch(path);
    checks.push((head) => matches(pathOf(head)));
  }
  for (const match of headers) checks.push(compileField(match));
  for (const match of query) checks.push(compileQuery(match));
  const [only] = checks;
  if (only === undefined) return () => true;
  return checks.length === 1 ? only : (head) => checks.every((check) => check(head));
}

/** Without the query. */
export function pathOf({ path }: RequestHead): string {
  const at = path.indexOf("?");
  return at < 0 ? path : path.slice(0, at);
}

function compileField({ invert, ...match }: FieldMatch): RequestMatcher {
  const name = match.name.toLowerCase();
  const matches = compileTextMatch(match);
  return (head) => {
    const value = name === "host" ? head.authority : fieldValue(head.block, name);
    return (value !== undefined && matches(value)) !== invert;
  };
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
