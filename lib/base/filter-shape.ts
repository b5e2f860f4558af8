import type { Comparison, FilterKind, FilterValue } from "./filter-comparison.ts";
import type { FilterField, FilterFields } from "./filter-expression.ts";

/**
 * Which fields of a record a filter expression may select, and of which kind each is. Nothing is looked up by a name that is not
 * in a shape. A field of a part that is not there has Go's zero value, as the same field has in Consul's structs.
 */
export type FilterShape =
  | { readonly kind: "text" | "number" | "boolean" | "list"; readonly from?: readonly string[] }
  /** Its keys are data. `of` is what its values are. */
  | { readonly kind: "map"; readonly of: FilterShape; readonly from?: readonly string[] }
  | { readonly kind: "struct" | "structs"; readonly fields: ShapeFields; readonly from?: readonly string[] };

/** By the name that expressions use; `from` is where the record has it, when not under that name. */
export type ShapeFields = Readonly<Record<string, FilterShape>>;

export const text: FilterShape = { kind: "text" };
export const number: FilterShape = { kind: "number" };
export const boolean: FilterShape = { kind: "boolean" };
/** Of texts. */
export const list: FilterShape = { kind: "list" };
export const textMap: FilterShape = { kind: "map", of: text };

export function struct(fields: ShapeFields): FilterShape {
  return { kind: "struct", fields };
}

export function structs(fields: ShapeFields): FilterShape {
  return { kind: "structs", fields };
}

export function mapOf(of: FilterShape): FilterShape {
  return { kind: "map", of };
}

/** The same fields elsewhere in the record. */
export function from(path: readonly string[], shape: FilterShape): FilterShape {
  return { ...shape, from: path };
}

export function fieldsOf<R extends object>(fields: ShapeFields): FilterFields<R> {
  return (path) => select({ kind: "struct", fields }, path);
}

interface Selection extends FilterField<unknown> {
  readonly some: (value: unknown, comparison: Comparison, ifMissing: boolean) => boolean;
}

function select(shape: FilterShape, path: readonly string[]): Selection | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return whole(shape.kind);
  if (shape.kind === "struct") return inStruct(shape.fields, name, rest);
  if (shape.kind === "structs") {
    const inner = inStruct(shape.fields, name, rest);
    if (inner === undefined) return undefined;
    return {
      kind: inner.kind,
      some: (value, comparison, ifMissing) =>
        Array.isArray(value) && value.some((item) => inner.some(item, comparison, ifMissing)),
    };
  }
  if (shape.kind !== "map") return undefined;
  // A key is everything that follows where its value has no fields, since metadata may have dots in their names.
  const hasFields = shape.of.kind === "struct";
  const key = hasFields ? name : path.join(".");
  const inner = select(shape.of, hasFields ? rest : []);
  if (inner === undefined) return undefined;
  return {
    kind: inner.kind,
    some(value, comparison, ifMissing) {
      const member = propertyOf(value, key);
      return member === undefined ? ifMissing : inner.some(member, comparison, ifMissing);
    },
  };
}

function inStruct(fields: ShapeFields, name: string, rest: readonly string[]): Selection | undefined {
  const shape = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (shape === undefined) return undefined;
  const inner = select(shape, rest);
  if (inner === undefined) return undefined;
  const path = shape.from ?? [name];
  return {
    kind: inner.kind,
    some: (value, comparison, ifMissing) => inner.some(path.reduce(propertyOf, value), comparison, ifMissing),
  };
}

const emptyList: readonly unknown[] = [];
const emptyMap = {};

function whole(kind: FilterKind): Selection {
  const zero: FilterValue = {
    text: "",
    number: 0,
    boolean: false,
    list: emptyList,
    structs: emptyList,
    map: emptyMap,
    struct: emptyMap,
  }[kind];
  return { kind, some: (value, comparison) => comparison(isFilterValue(value) ? value : zero) };
}

function propertyOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return Reflect.get(value, key);
}

function isFilterValue(value: unknown): value is Exclude<FilterValue, undefined> {
  return value !== undefined && value !== null && typeof value !== "function";
}
