import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import { canonicalPath, isGroup, knownPaths, noteOf } from "./keys/key-table.ts";

/**
 * One configuration file with the keys that Atoll acts on, spelt as the table spells them; what became of the others is told.
 * Blocks that HCL gave as lists of one, and lists that it gave as one block, have the shape that the schema has.
 */
export interface NormalFile {
  readonly document: Readonly<Record<string, unknown>>;
  /** Keys that nobody knows, as sentences. */
  readonly unknown: readonly string[];
  /** Keys of Consul's that change nothing here, as sentences. */
  readonly idle: readonly string[];
  readonly issues: readonly SchemaIssue[];
}

/** Keys that hold definitions: what is in them is their decoder's business. */
const definitionLists = new Set(["service", "services", "check", "checks"]);
const entryList = "config_entries.bootstrap";

export function normaliseFile(raw: object): NormalFile {
  const found = { unknown: [] as string[], idle: [] as string[], issues: [] as SchemaIssue[] };
  return { document: readGroup(raw, "", found), ...found };
}

interface Found {
  readonly unknown: string[];
  readonly idle: string[];
  readonly issues: SchemaIssue[];
}

function readGroup(raw: object, prefix: string, found: Found): Record<string, unknown> {
  const group: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    if (value === null || value === undefined) continue;
    const path = canonicalPath(prefix + key);
    const name = path.slice(path.lastIndexOf(".") + 1);
    const note = noteOf(path);
    if (isGroup(path)) {
      const inner = oneObject(value);
      if (inner === undefined) found.issues.push({ path, message: "must be an object" });
      else group[name] = { ...objectAt(group, name), ...readGroup(inner, `${path}.`, found) };
    } else if (note === undefined) {
      found.unknown.push(unknownSentence(prefix + key));
    } else if (note.use === "none") {
      found.idle.push(`"${path}" has no effect: ${note.note}`);
    } else if (note.use === "refused") {
      if (value !== "" && value !== false) found.issues.push({ path, message: `cannot be set: ${note.note}` });
    } else {
      group[name] = definitionLists.has(path) ? asDefinitions(value) : path === entryList ? asList(value) : value;
    }
  }
  return group;
}

function unknownSentence(path: string): string {
  const guess = knownPaths.find((known) => isNear(known, path));
  return `"${path}" is not a known key and is ignored${guess === undefined ? "" : ` (did you mean "${guess}"?)`}`;
}

/** One letter more, less or other, or two letters in the other order. */
function isNear(known: string, typed: string): boolean {
  if (Math.abs(known.length - typed.length) > 1) return false;
  let start = 0;
  while (start < typed.length && known[start] === typed[start]) start++;
  let end = 0;
  const most = Math.min(known.length, typed.length) - start;
  while (end < most && known.at(-1 - end) === typed.at(-1 - end)) end++;
  const left = known.slice(start, known.length - end);
  const right = typed.slice(start, typed.length - end);
  return left.length <= 1 && right.length <= 1 ? true : left === [...right].reverse().join("") && left.length === 2;
}

/** The object, or the objects of a list put together: HCL gives a block that is written twice as a list. */
function oneObject(value: unknown): object | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  let joined: object = {};
  for (const one of list) {
    if (!isPlainObject(one)) return undefined;
    joined = { ...joined, ...one };
  }
  return joined;
}

/** Blocks inside of a definition that may be written several times, with the list they stand for. */
const repeated = new Map([
  ["check", "checks"],
  ["checks", "checks"],
  ["upstreams", "upstreams"],
  ["upstream", "upstreams"],
  ["paths", "paths"],
]);

/** A definition or several; anything else is left for the schema to refuse. */
function asDefinitions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one: unknown) => (isPlainObject(one) ? unwrapBlocks(one) : one));
  return isPlainObject(value) ? [unwrapBlocks(value)] : value;
}

/** HCL gives a block that is written once as an object. */
function asList(value: unknown): unknown {
  return isPlainObject(value) ? [value] : value;
}

function unwrapBlocks(definition: object): object {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(definition)) {
    if (key.toLowerCase() === "config") {
      result[key] = value;
      continue;
    }
    const list = repeated.get(key.toLowerCase());
    const isBlocks = Array.isArray(value) && value.length > 0 && value.every(isPlainObject);
    if (list !== undefined && isBlocks) {
      result[list === key.toLowerCase() ? key : list] = value.map((one: unknown) =>
        isPlainObject(one) ? unwrapBlocks(one) : one,
      );
    } else if (list === key.toLowerCase() && isPlainObject(value)) {
      result[key] = [unwrapBlocks(value)];
    } else if (isBlocks && value.length === 1) {
      const [only]: readonly unknown[] = value;
      result[key] = isPlainObject(only) ? unwrapBlocks(only) : only;
    } else {
      result[key] = isPlainObject(value) ? unwrapBlocks(value) : value;
    }
  }
  return result;
}

/** Consul's rule for several files: lists are joined, objects are merged, of anything else the later wins. */
export function mergeDocuments(
  earlier: Readonly<Record<string, unknown>>,
  later: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...earlier };
  for (const [key, value] of Object.entries(later)) {
    const before = Object.hasOwn(earlier, key) ? earlier[key] : undefined;
    if (Array.isArray(before) && Array.isArray(value)) merged[key] = [...before, ...value];
    else if (isPlainObject(before) && isPlainObject(value)) merged[key] = mergeDocuments({ ...before }, { ...value });
    else merged[key] = value;
  }
  return merged;
}

function objectAt(group: Readonly<Record<string, unknown>>, name: string): object {
  const value = Object.hasOwn(group, name) ? group[name] : undefined;
  return isPlainObject(value) ? value : {};
}

function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
