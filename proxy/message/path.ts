/**
 * The one spelling of a request's path, so that rules, logs and the application cannot take it for different paths: escapes
 * of unreserved characters decoded and other escapes in upper case (RFC 3986 section 6.2.2), dot segments resolved (section
 * 5.2.4), and what Envoy and Consul let people decide. Once normal, a path stays as it is. The query is never touched: no
 * rule looks into it undecoded, and its characters mean what the application says.
 */
export interface PathRules {
  /** Consul's `InsecureDisablePathNormalization` turns it off: then escapes and dot segments are neither checked nor changed. */
  readonly normalise: boolean;
  /** `//` becomes `/`, after dot segments are resolved. */
  readonly mergeSlashes: boolean;
  /** `%2F` and `%5C`. Unescaping comes before all else; what is kept may not hide a dot segment (CVE-2021-29492). */
  readonly escapedSlashes: "keep" | "reject" | "unescape-and-redirect" | "unescape-and-forward";
  /** `\`, which browsers and some servers take for `/`. */
  readonly backslashes: "slash" | "reject" | "keep";
  /** `;x` at the end of a segment, which some servers leave out when they route. */
  readonly parameters: "keep" | "reject" | "drop";
}

/** What Consul does when its mesh entry says nothing, which is Envoy's own choice, too. */
export const defaultPathRules: PathRules = {
  normalise: true,
  mergeSlashes: false,
  escapedSlashes: "keep",
  backslashes: "slash",
  parameters: "keep",
};

export const pathProblems = [
  "not_origin_form",
  "bad_character",
  "fragment",
  "bad_escape",
  "escaped_nul",
  "escaped_slash",
  "backslash",
  "path_parameter",
  "hidden_dot_segment",
] as const;
export type PathProblem = (typeof pathProblems)[number];

/** The path to use; or why the request is refused; or where the client is sent instead (307). */
export type PathOutcome = string | { readonly reject: PathProblem } | { readonly redirect: string };

const SLASH = 47;
const PERCENT = 37;
const BACKSLASH = 92;
const QUERY = 63;

/** 0 for characters that stand for themselves, 1 for those that some rule looks at, 2 for those that no target has. */
const looks = Uint8Array.from({ length: 128 }, (_, code) =>
  code <= 32 || code === 127 ? 2 : /[%\\#;.]/.test(String.fromCharCode(code)) ? 1 : 0,
);
const isUnreserved = /[0-9A-Za-z\-._~]/;

/** `path` is `:path`: path and query. Returns the same string, at the price of one scan, when there is nothing to do. */
export function normalisePath(path: string, rules: PathRules): PathOutcome {
  if (path.charCodeAt(0) !== SLASH) return path === "*" || path === "" ? path : { reject: "not_origin_form" };
  let before = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === QUERY) return path.includes("#", i) ? { reject: "fragment" } : path;
    if (code > 127 || looks[code] !== 0) {
      // A full stop matters at the beginning of a segment only.
      if (code !== 46 || before === SLASH) return normaliseSlowly(path, rules);
    } else if (code === SLASH && before === SLASH && rules.mergeSlashes) return normaliseSlowly(path, rules);
    before = code;
  }
  return path;
}

function normaliseSlowly(target: string, rules: PathRules): PathOutcome {
  const queryAt = target.indexOf("?");
  const query = queryAt < 0 ? "" : target.slice(queryAt);
  if (target.includes("#")) return { reject: "fragment" };
  const raw = queryAt < 0 ? target : target.slice(0, queryAt);
  const decoded = rules.normalise ? decode(raw, rules) : unescapeSlashes(raw, rules);
  if (typeof decoded !== "string") return decoded;
  const resolved = rules.normalise ? resolveSegments(decoded, rules) : decoded;
  if (typeof resolved !== "string") return resolved;
  const path = rules.mergeSlashes ? resolved.replace(/\/{2,}/g, "/") : resolved;
  if (rules.escapedSlashes === "unescape-and-redirect" && /%(?:2f|5c)/i.test(raw)) {
    // `//host` would send the client to another host.
    return { redirect: path.replace(/^[/\\]+/, "/") + query };
  }
  return path + query;
}

/** Decodes what may be decoded, and turns backslashes. */
function decode(raw: string, rules: PathRules): string | { readonly reject: PathProblem } {
  let result = "";
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code > 127 || looks[code] === 2) return { reject: "bad_character" };
    if (code !== PERCENT) {
      if (code === BACKSLASH && rules.backslashes === "reject") return { reject: "backslash" };
      result += code === BACKSLASH && rules.backslashes === "slash" ? "/" : raw.charAt(i);
      continue;
    }
    const value = escapeAt(raw, i);
    if (value < 0) return { reject: "bad_escape" };
    if (value === 0) return { reject: "escaped_nul" };
    const isSlash = value === SLASH || value === BACKSLASH;
    if (isSlash && rules.escapedSlashes === "reject") return { reject: "escaped_slash" };
    const char = String.fromCharCode(value);
    if (isSlash && rules.escapedSlashes !== "keep") {
      if (value === BACKSLASH && rules.backslashes === "reject") return { reject: "backslash" };
      result += value === BACKSLASH && rules.backslashes === "keep" ? char : "/";
    } else {
      result += isUnreserved.test(char) ? char : raw.slice(i, i + 3).toUpperCase();
    }
    i += 2;
  }
  return result;
}

/** The value of the escape at `at`, or -1. */
function escapeAt(text: string, at: number): number {
  const digits = text.slice(at + 1, at + 3);
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}

/** The rule for escaped slashes alone, without normalisation. */
function unescapeSlashes(raw: string, rules: PathRules): string | { readonly reject: PathProblem } {
  if (/[^!-~]/.test(raw)) return { reject: "bad_character" };
  if (rules.escapedSlashes === "keep") return raw;
  if (rules.escapedSlashes === "reject") return /%(?:2f|5c)/i.test(raw) ? { reject: "escaped_slash" } : raw;
  return raw.replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
}

/** Dot segments and parameters. What some reader would take for a dot segment, and another not, is refused. */
function resolveSegments(path: string, rules: PathRules): string | { readonly reject: PathProblem } {
  const segments = path.split("/");
  const result: string[] = [];
  for (let i = 1; i < segments.length; i++) {
    let segment = segments[i] ?? "";
    const parameterAt = segment.indexOf(";");
    if (parameterAt >= 0) {
      if (rules.parameters === "reject") return { reject: "path_parameter" };
      if (rules.parameters === "drop") segment = segment.slice(0, parameterAt);
    }
    if (segment === "." || segment === "..") {
      if (segment === "..") result.pop();
      if (i === segments.length - 1) result.push("");
    } else if (hidesDotSegment(segment)) {
      return { reject: "hidden_dot_segment" };
    } else {
      result.push(segment);
    }
  }
  return `/${result.join("/")}`;
}

/** `..;x` and `a%2F..` are dot segments to those who cut parameters off and decode slashes. */
function hidesDotSegment(segment: string): boolean {
  return segment.includes(".") && segment.split(/%2F|%5C|\\/).some((part) => /^\.\.?(?:;|$)/.test(part));
}
