import type { TSchema } from "typebox";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * Consul's documents spell one field as `ServiceID`, `serviceID` or `service_id`. This renames every key to the spelling
 * of a schema, so that the schema and the code behind it know one name only. Keys of open maps (Meta, Config) are data
 * and stay as they are; `null` means "not given", as it does for Consul.
 */
export interface CanonicalKeys {
  readonly value: unknown;
  /** Paths of keys that the schema does not know, as written; they are left out of `value`. */
  readonly unknownFields: readonly string[];
  /** One field given under two spellings: nobody can say which one was meant. */
  readonly issues: readonly SchemaIssue[];
}

/** Nesting beyond this is not a document that a person wrote. */
const maxDepth = 32;

export function canonicalKeys(schema: TSchema, value: unknown): CanonicalKeys {
  const unknownFields: string[] = [];
  const issues: SchemaIssue[] = [];
  return { value: rename(schema, value, { path: "", depth: 0, unknownFields, issues }), unknownFields, issues };
}

interface Position {
  readonly path: string;
  readonly depth: number;
  readonly unknownFields: string[];
  readonly issues: SchemaIssue[];
}

function rename(schema: TSchema, value: unknown, at: Position): unknown {
  if (at.depth > maxDepth) {
    at.issues.push({ path: at.path, message: `nested deeper than ${maxDepth} levels` });
    return undefined;
  }
  if (Array.isArray(value)) {
    const items = property(schema, "items");
    if (!isSchema(items)) return value;
    return value.map((item: unknown, i) => rename(items, item, below(at, `${at.path}[${i}]`)));
  }
  if (!isRecord(value)) return value;
  const properties = property(schema, "properties");
  if (isRecord(properties)) return renameObject(properties, value, at);
  const patterns = property(schema, "patternProperties");
  const [memberSchema] = isRecord(patterns) ? Object.values(patterns) : [];
  return isSchema(memberSchema) ? renameMembers(memberSchema, value, at) : value;
}

/** An open map keeps its keys; only what its values hold is renamed. */
function renameMembers(schema: TSchema, value: Record<string, unknown>, at: Position): unknown {
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, rename(schema, member, below(at, `${at.path}.${key}`))]),
  );
}

function renameObject(properties: Record<string, unknown>, value: Record<string, unknown>, at: Position): unknown {
  const names = new Map(Object.keys(properties).map((name) => [fold(name), name]));
  const result: Record<string, unknown> = {};
  const spelledAs = new Map<string, string>();
  for (const [key, member] of Object.entries(value)) {
    if (member === null || member === undefined) continue;
    const path = at.path === "" ? key : `${at.path}.${key}`;
    const name = names.get(fold(key));
    const inner = name === undefined ? undefined : properties[name];
    if (name === undefined || !isSchema(inner)) {
      at.unknownFields.push(path);
      continue;
    }
    const earlier = spelledAs.get(name);
    if (earlier !== undefined) at.issues.push({ path, message: `is given twice, as "${earlier}" and as "${key}"` });
    spelledAs.set(name, key);
    result[name] = rename(inner, member, below(at, path));
  }
  return result;
}

function below(at: Position, path: string): Position {
  return { ...at, path, depth: at.depth + 1 };
}

function fold(key: string): string {
  return key.replaceAll("_", "").toLowerCase();
}

function property(schema: TSchema, key: string): unknown {
  return Object.getOwnPropertyDescriptor(schema, key)?.value;
}

function isSchema(value: unknown): value is TSchema {
  return isRecord(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
