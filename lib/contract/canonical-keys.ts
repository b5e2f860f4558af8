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
  const walk: Walk = { path: [], unknownFields: [], issues: [] };
  return { value: rename(schema, value, walk), unknownFields: walk.unknownFields, issues: walk.issues };
}

interface Walk {
  /** Where the walk is; turned into text only for what has to be reported. */
  readonly path: (string | number)[];
  readonly unknownFields: string[];
  readonly issues: SchemaIssue[];
}

interface Field {
  readonly name: string;
  readonly schema: TSchema;
}

/** What a schema says about keys, found out once: a schema lives as long as the program. */
type Plan =
  | { readonly kind: "object"; readonly exact: ReadonlyMap<string, Field>; readonly folded: ReadonlyMap<string, Field> }
  | { readonly kind: "list" | "map"; readonly members: TSchema }
  /** Nothing in it has a name to be spelled. */
  | { readonly kind: "plain" };
type ObjectPlan = Extract<Plan, { readonly kind: "object" }>;

const plans = new WeakMap<TSchema, Plan>();

function rename(schema: TSchema, value: unknown, walk: Walk): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (walk.path.length > maxDepth) {
    walk.issues.push({ path: pathText(walk.path), message: `nested deeper than ${maxDepth} levels` });
    return undefined;
  }
  const plan = planOf(schema);
  if (plan.kind === "plain") return value;
  if (Array.isArray(value)) {
    return plan.kind === "list" ? value.map((item: unknown, i) => renameMember(plan.members, item, i, walk)) : value;
  }
  if (!isRecord(value)) return value;
  if (plan.kind === "object") return renameObject(plan, value, walk);
  return plan.kind === "map" ? renameMembers(plan.members, value, walk) : value;
}

/** An open map keeps its keys; only what its values hold is renamed. */
function renameMembers(schema: TSchema, value: Record<string, unknown>, walk: Walk): unknown {
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, renameMember(schema, member, key, walk)]),
  );
}

function renameMember(schema: TSchema, value: unknown, key: string | number, walk: Walk): unknown {
  walk.path.push(key);
  const renamed = rename(schema, value, walk);
  walk.path.pop();
  return renamed;
}

function renameObject(plan: ObjectPlan, value: Record<string, unknown>, walk: Walk): unknown {
  const result: Record<string, unknown> = {};
  let spelledAs: Map<string, string> | undefined;
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === null || member === undefined) continue;
    const field = plan.exact.get(key) ?? plan.folded.get(fold(key));
    if (field === undefined) {
      walk.unknownFields.push(pathText([...walk.path, key]));
      continue;
    }
    const { name } = field;
    // Only a second spelling can meet a field again: JSON keeps one of two equal keys.
    if ((key !== name || spelledAs !== undefined) && Object.hasOwn(result, name)) {
      const message = `is given twice, as "${spelledAs?.get(name) ?? name}" and as "${key}"`;
      walk.issues.push({ path: pathText([...walk.path, key]), message });
    }
    if (key !== name) {
      spelledAs ??= new Map();
      spelledAs.set(name, key);
    }
    result[name] = renameMember(field.schema, member, key, walk);
  }
  return result;
}

function planOf(schema: TSchema): Plan {
  const known = plans.get(schema);
  if (known !== undefined) return known;
  const made = makePlan(schema);
  plans.set(schema, made);
  return made;
}

function makePlan(schema: TSchema): Plan {
  const properties = property(schema, "properties");
  if (isRecord(properties)) {
    const fields = Object.entries(properties).flatMap(([name, of]) => (isSchema(of) ? [{ name, schema: of }] : []));
    return {
      kind: "object",
      exact: new Map(fields.map((field) => [field.name, field])),
      folded: new Map(fields.map((field) => [fold(field.name), field])),
    };
  }
  const items = property(schema, "items");
  if (isSchema(items)) return planOfMembers("list", items);
  const patterns = property(schema, "patternProperties");
  const [memberSchema] = isRecord(patterns) ? Object.values(patterns) : [];
  return isSchema(memberSchema) ? planOfMembers("map", memberSchema) : { kind: "plain" };
}

function planOfMembers(kind: "list" | "map", members: TSchema): Plan {
  return planOf(members).kind === "plain" ? { kind: "plain" } : { kind, members };
}

function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
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
