import type { PathRules } from "../../../proxy/message/path.ts";

/** What `normalisePath` makes of a path in origin form, written another way: undefined when it is refused. */
export function naivePath(target: string, rules: PathRules): string | undefined {
  const [, raw = "", query = ""] = /^([^?]*)(.*)$/s.exec(target) ?? [];
  if (target.includes("#") || /[^!-~]/.test(raw)) return undefined;
  let path = raw;
  const hasEscapedSlash = /%2f|%5c/i.test(path);
  if (hasEscapedSlash && rules.escapedSlashes === "reject") return undefined;
  if (hasEscapedSlash && rules.escapedSlashes.startsWith("unescape")) {
    path = path.replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
  }
  if (rules.normalise) {
    if (/%(?![0-9a-f]{2})|%00/i.test(path)) return undefined;
    if (path.includes("\\") && rules.backslashes === "reject") return undefined;
    if (rules.backslashes === "slash") path = path.replaceAll("\\", "/");
    path = path.replace(/%../g, (escaped) => {
      const char = decodedOr(escaped);
      return /^[\w.~-]$/.test(char) ? char : escaped.toUpperCase();
    });
    if (path.includes(";") && rules.parameters === "reject") return undefined;
    if (rules.parameters === "drop") path = path.replace(/;[^/]*/g, "");
    if (
      path
        .split("/")
        .some((segment) => !/^\.\.?$/.test(segment) && /(?:^|%2F|%5C|\\)\.\.?(?:;|%2F|%5C|\\|$)/.test(segment))
    ) {
      return undefined;
    }
    path = withoutDotSegments(path);
  }
  if (rules.mergeSlashes) path = path.replace(/\/+/g, "/");
  if (hasEscapedSlash && rules.escapedSlashes === "unescape-and-redirect") path = `/${path.replace(/^[/\\]*/, "")}`;
  return path + query;
}

function decodedOr(escaped: string): string {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}

/** RFC 3986 section 5.2.4, step by step. */
function withoutDotSegments(path: string): string {
  let input = path;
  let output = "";
  while (input !== "") {
    if (input.startsWith("/./")) input = input.slice(2);
    else if (input === "/.") input = "/";
    else if (input.startsWith("/../") || input === "/..") {
      input = input === "/.." ? "/" : input.slice(3);
      output = output.slice(0, Math.max(output.lastIndexOf("/"), 0));
    } else {
      const end = input.indexOf("/", 1);
      output += end < 0 ? input : input.slice(0, end);
      input = end < 0 ? "" : input.slice(end);
    }
  }
  return output;
}
