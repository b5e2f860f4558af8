import type { StringMap } from "./catalog.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/** Rules of catalog records that hold whoever writes them, with Consul's limits of metadata. */
export const maxMetaPairs = 64;
export const maxMetaKeyChars = 128;
export const maxMetaValueChars = 512;
const metaKeyPattern = /^[A-Za-z0-9_-]+$/;
const maxNameChars = 512;

/** Of what is in order, which nearly everything is: every registration asks several times. */
const none: readonly SchemaIssue[] = [];

/** What is wrong with a metadata map. */
export function metaIssues(path: string, meta: StringMap): readonly SchemaIssue[] {
  const keys = Object.keys(meta);
  if (keys.length > maxMetaPairs) {
    const message = `cannot contain more than ${maxMetaPairs} key/value pairs, found ${keys.length}`;
    return [{ path, message }];
  }
  let issues: SchemaIssue[] | undefined;
  for (const key of keys) {
    const value = meta[key] ?? "";
    const problem = metaPairProblem(key, value);
    if (problem === undefined) continue;
    issues ??= [];
    issues.push({ path, message: `Couldn't load metadata pair ('${key}', '${value}'): ${problem}` });
  }
  return issues ?? none;
}

function metaPairProblem(key: string, value: string): string | undefined {
  if (key === "") return "Key cannot be blank";
  if (!metaKeyPattern.test(key)) return 'Key contains invalid characters: only A-Z, a-z, 0-9, "_" and "-" are allowed';
  if (key.length > maxMetaKeyChars) return `Key is too long (limit: ${maxMetaKeyChars} characters)`;
  return value.length > maxMetaValueChars ? `Value is too long (limit: ${maxMetaValueChars} characters)` : undefined;
}

/** An address that others dial cannot be the one that means "all of mine". Empty means "the node's". */
export function addressIssues(path: string, address: string): readonly SchemaIssue[] {
  if (address === "0.0.0.0" || address === "::" || address === "[::]") {
    return [{ path, message: `Invalid service address: "${address}" is not an address that others can dial` }];
  }
  return /[\p{Cc}\s]/u.test(address) ? [{ path, message: "may not hold spaces or control characters" }] : none;
}

/** Names end up in keys, logs and URLs. Whether one must be there is for the caller to say. */
export function nameIssues(path: string, name: string): readonly SchemaIssue[] {
  if (name.length > maxNameChars) return [{ path, message: `must have at most ${maxNameChars} characters` }];
  if (!/\p{Cc}/u.test(name) && name.isWellFormed()) return none;
  return [{ path, message: `may not hold control characters, found ${JSON.stringify(name)}` }];
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}
