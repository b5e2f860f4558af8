import { isDeepStrictEqual } from "node:util";
import { type ProxyConfig, ProxyConfigSchema } from "../../lib/contract/proxy-config.ts";
import { isSecretField } from "../../lib/contract/secret-fields.ts";
import type { ShownSetting } from "./explanation.ts";

/** The part of JSON Schema that is needed to know a default. */
interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly required?: readonly string[] | undefined;
}

const masked = "[masked]";

/** Rows of one list or object. */
const maxRows = 200;

/**
 * What `value`, found at `path` of the document, says beyond the defaults of the schema there, without its fields in `except`. It goes by the schema
 * alone: a field that is new shows up by itself.
 */
export function nonDefaults(path: string, value: unknown, except: readonly string[] = []): ShownSetting[] {
  const rows = isRecord(value)
    ? Object.entries(value).flatMap(([name, part]) =>
        except.includes(name)
          ? []
          : partRows(schemaAt(path), { name, part, path: path === "" ? name : `${path}.${name}` }),
      )
    : rowsOf(schemaAt(path), value, path);
  if (rows.length <= maxRows) return rows;
  return [...rows.slice(0, maxRows), { path, value: `... and ${rows.length - maxRows} more` }];
}

/** What the document says for all listeners. */
export function documentSettings(config: ProxyConfig): ShownSetting[] {
  return nonDefaults("", config, [
    "identity",
    "inbound",
    "outbound",
    "admin",
    "telemetry",
    "drainTimeoutMs",
    "workers",
  ]);
}

function rowsOf(schema: Schema | undefined, value: unknown, path: string): ShownSetting[] {
  if (schema?.default !== undefined && isDeepStrictEqual(value, schema.default)) return [];
  const { properties, items } = schema ?? {};
  if (properties !== undefined && isRecord(value)) {
    const isSecret = typeof value["name"] === "string" && isSecretField(value["name"].toLowerCase());
    return Object.entries(value).flatMap(([name, part]) =>
      partRows(schema, { name, part: isSecret && name === "value" ? masked : part, path: `${path}.${name}` }),
    );
  }
  if (items?.properties !== undefined && Array.isArray(value)) {
    return value.flatMap((item, i) => rowsOf(items, item, `${path}[${i}]`));
  }
  return [{ path, value }];
}

/** Of one field of an object. */
function partRows(
  parent: Schema | undefined,
  { name, part, path }: { readonly name: string; readonly part: unknown; readonly path: string },
): ShownSetting[] {
  const schema = parent?.properties?.[name];
  const rows = rowsOf(schema, part, path);
  const isOptional = schema?.default === undefined && parent?.required?.includes(name) !== true;
  // What may be absent switches something on by being there, also with nothing but defaults in it.
  return rows.length === 0 && isOptional && schema?.properties !== undefined ? [{ path, value: {} }] : rows;
}

function schemaAt(path: string): Schema | undefined {
  let schema: Schema | undefined = ProxyConfigSchema;
  for (const name of path.split(/[.[\]]+/)) {
    if (name === "") continue;
    schema = /^\d+$/.test(name) ? schema?.items : schema?.properties?.[name];
  }
  return schema;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
