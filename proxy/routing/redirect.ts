import type { PathMatch } from "../../lib/contract/proxy-match.ts";
import type { RedirectConfig } from "../../lib/contract/proxy-routes.ts";
import { pathOf } from "../match/request-match.ts";
import type { RequestHead } from "../message/request-head.ts";
import { compilePathRewrite } from "./path-rewrite.ts";

/** Where a request is sent instead: an absolute URI; undefined when its authority is none that stands in a URI. */
export type Redirection = (head: RequestHead) => string | undefined;

const defaultPorts: Readonly<Record<string, string>> = { http: "80", https: "443" };
const authorityForm = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9!$&'()*+,;=._~-]+)(?::(\d{1,5}))?$/;
/** What RFC 3986 has no place for in a path or query; `%` where it begins no escape. */
const foreign = /[^A-Za-z0-9._~!$&'()*+,;=:@/%-]|%(?![0-9A-Fa-f]{2})/g;
const foreignInQuery = /[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]|%(?![0-9A-Fa-f]{2})/g;

export function compileRedirect(config: RedirectConfig, match: PathMatch | undefined): Redirection {
  const { path, prefixRewrite, stripQuery } = config;
  const rewrite = compilePathRewrite({ path, prefix: prefixRewrite }, match);
  return (head) => {
    const authority = redirectedAuthority(head, config);
    if (authority === undefined) return undefined;
    const before = head.path.startsWith("/") ? pathOf(head) : "/";
    const after = rewrite === undefined ? before : rewrite(before);
    const queryAt = stripQuery ? -1 : head.path.indexOf("?");
    const query = queryAt < 0 ? "" : head.path.slice(queryAt);
    if (after === undefined) return undefined;
    return `${authority}${after.replace(foreign, encode)}${query.replace(foreignInQuery, encode)}`;
  };
}

/** Scheme and authority. The port of a scheme that is its own is left out, as the Gateway API wants it. */
function redirectedAuthority(head: RequestHead, { scheme, host, port }: RedirectConfig): string | undefined {
  const parts = authorityForm.exec(head.authority);
  if (parts === null && host === undefined) return undefined;
  const [, ownHost = "", ownPort = ""] = parts ?? [];
  const newScheme = scheme ?? head.scheme;
  const newHost = host ?? ownHost;
  const isElsewhere = newScheme !== head.scheme || newHost.toLowerCase() !== ownHost.toLowerCase();
  const newPort = port === undefined ? (isElsewhere ? "" : ownPort) : `${port}`;
  const hasPort = newPort !== "" && newPort !== defaultPorts[newScheme];
  return `${newScheme}://${newHost}${hasPort ? `:${newPort}` : ""}`;
}

/** Heads have one character per byte. */
function encode(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
