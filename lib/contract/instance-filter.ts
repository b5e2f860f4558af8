import type { FilterKind, FilterValue } from "../base/filter-comparison.ts";
import { type FilterField, type FilterFields, parseFilter } from "../base/filter-expression.ts";
import type { ServiceInstance } from "./catalog.ts";

/**
 * The filter of a subset: an expression over an instance as `/v1/health/service` shows it, `Service` being its sidecar, which has its
 * application's tags and metadata unless its registration says otherwise.
 */
export type InstanceFilter = (instance: ServiceInstance) => boolean;

/** An empty expression takes every instance. What is wrong with another one is in `message`. */
export function parseInstanceFilter(
  text: string,
): { readonly ok: true; readonly matches: InstanceFilter } | { readonly ok: false; readonly message: string } {
  return text.trim() === "" ? { ok: true, matches: () => true } : parseFilter(text, instanceFields);
}

interface Source {
  readonly records: (instance: ServiceInstance) => readonly object[];
  readonly fields: Readonly<Record<string, FilterKind>>;
}

const node: Source["fields"] = {
  ID: "text",
  Node: "text",
  Address: "text",
  Datacenter: "text",
  TaggedAddresses: "map",
  Meta: "map",
};
const service: Source["fields"] = {
  Kind: "text",
  ID: "text",
  Service: "text",
  Tags: "list",
  Meta: "map",
  Port: "number",
  Address: "text",
  "Weights.Passing": "number",
  "Weights.Warning": "number",
  EnableTagOverride: "boolean",
  "Connect.Native": "boolean",
  "Proxy.DestinationServiceName": "text",
  "Proxy.DestinationServiceID": "text",
  "Proxy.LocalServiceAddress": "text",
  "Proxy.LocalServicePort": "number",
};
const checks: Source["fields"] = {
  Node: "text",
  CheckID: "text",
  Name: "text",
  Status: "text",
  Notes: "text",
  Output: "text",
  ServiceID: "text",
  ServiceName: "text",
  ServiceTags: "list",
};
const sources: Readonly<Record<string, Source>> = {
  Node: { records: ({ Node }) => [Node], fields: node },
  Service: { records: ({ Service }) => [Service], fields: service },
  Checks: { records: ({ Checks }) => Checks, fields: checks },
};

const instanceFields: FilterFields<ServiceInstance> = ([first = "", ...rest]) => {
  const source = Object.hasOwn(sources, first) ? sources[first] : undefined;
  if (source === undefined) return undefined;
  const whole = kindOf(source, rest.join("."));
  if (whole !== undefined) return field(source, whole, rest);
  const [map = "", ...key] = rest;
  // A value of a map: its key is everything that follows, since metadata may have dots in their names.
  return kindOf(source, map) === "map" && key.length > 0 ? field(source, "text", [map, key.join(".")]) : undefined;
};

function kindOf({ fields }: Source, name: string): FilterKind | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function field(source: Source, kind: FilterKind, path: readonly string[]): FilterField<ServiceInstance> {
  return { kind, values: (instance) => source.records(instance).map((record) => valueAt(record, path)) };
}

function valueAt(record: object, path: readonly string[]): FilterValue {
  let value: unknown = record;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, key)?.value;
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.filter((item) => typeof item === "string");
  return typeof value === "object" && value !== null ? { ...value } : undefined;
}
