import type { ProxyConfig } from "./proxy-config.ts";

/** One effective value of a proxy's document: `path` as in `inbound[0].listen`. */
export interface Setting {
  readonly path: string;
  readonly value: unknown;
  /** `default`, or who said so. */
  readonly source: string;
}

/** Who said what stands at a path; undefined for what nobody said. */
export type SettingSources = (path: string) => string | undefined;

/** Of a document that was written by one author: what is in `given` is theirs, under that name. */
export function sourcesOfDocument(given: unknown, name: string): SettingSources {
  const paths = new Set(leavesOf(given, "").map(({ path }) => path));
  return (path) => (paths.has(path) ? name : undefined);
}

/** Of a document with several authors: the longest path that is the value's or contains it says whose it is. */
export function sourcesByPath(authors: Readonly<Record<string, string>>): SettingSources {
  const known = new Map(Object.entries(authors));
  return (path) => {
    for (let at = path.length; at > 0; at = Math.max(path.lastIndexOf(".", at - 1), path.lastIndexOf("[", at - 1))) {
      const author = known.get(path.slice(0, at));
      if (author !== undefined) return author;
    }
    return undefined;
  };
}

/** Every effective value with where it comes from, in the document's order. */
export function listSettings(config: ProxyConfig, sources: SettingSources): Setting[] {
  return leavesOf(config, "").map(({ path, value }) => ({ path, value, source: sources(path) ?? "default" }));
}

/** What has no parts: texts, numbers, truth values, and lists and objects that are empty. */
function leavesOf(value: unknown, path: string): { readonly path: string; readonly value: unknown }[] {
  if (Array.isArray(value) && value.length > 0) return value.flatMap((item, i) => leavesOf(item, `${path}[${i}]`));
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const parts = Object.entries(value);
    if (parts.length > 0) return parts.flatMap(([key, part]) => leavesOf(part, path === "" ? key : `${path}.${key}`));
  }
  return [{ path, value }];
}
