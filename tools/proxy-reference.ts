/**
 * The reference page of the `ProxyConfig` document, generated from its schema: `npm run reference` writes docs/proxy-config.md.
 * A test fails when the page is not what this makes, or a field has no description.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProxyConfigSchema } from "../lib/contract/proxy-config.ts";

export const pagePath = join(import.meta.dir, "..", "docs", "proxy-config.md");

/** The part of JSON Schema that our schemas use. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[] | undefined;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
}

interface Section {
  readonly path: string;
  readonly schema: Schema;
}

const opening = `# The proxy's configuration

One JSON document drives a proxy. \`atoll proxy -config=FILE\` reads it from a file; an agent computes it for the sidecars that it runs. Every
effective value is in it: \`GET /config\` on the admin address prints the document with the defaults filled in, \`GET /config?sources\` each
value with where it comes from. Unknown fields are refused, and a document with anything wrong is refused whole. This page is generated from the schema (\`npm run reference\`).
`;

export function renderReference(): string {
  const sections: Section[] = [{ path: "", schema: ProxyConfigSchema }];
  const parts = [opening];
  // What an object contains follows it, so that the page reads from the outside in.
  for (let section = sections.shift(); section !== undefined; section = sections.shift()) {
    const { text, inner } = renderSection(section);
    parts.push(text);
    sections.unshift(...inner);
  }
  return `${parts.join("\n")}`;
}

function renderSection({ path, schema }: Section): { readonly text: string; readonly inner: readonly Section[] } {
  const inner: Section[] = [];
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const fieldPath = path === "" ? name : `${path}.${name}`;
    inner.push(...objectsIn(field, fieldPath));
    const isRequired = schema.required?.includes(name) === true && field.default === undefined;
    return `| \`${name}\` | ${typeOf(field)} | ${defaultOf(field, isRequired)} | ${cell(field.description ?? "")} |`;
  });
  const heading = path === "" ? "## The document" : `## \`${path}\``;
  const lines = [heading, ""];
  if (path !== "" && schema.description !== undefined) lines.push(`${capital(schema.description)}.`, "");
  lines.push("| field | type | default | what |", "|---|---|---|---|", ...rows, "");
  return { text: lines.join("\n"), inner };
}

/** Objects that need a section of their own, in a field, its items or its alternatives. */
function objectsIn(schema: Schema, path: string): Section[] {
  if (schema.properties !== undefined) return [{ path, schema }];
  if (schema.items !== undefined) {
    return objectsIn({ ...schema.items, ...describedAs(schema) }, `${path}[]`);
  }
  return (schema.anyOf ?? []).flatMap((alternative) => objectsIn(alternative, path));
}

function describedAs({ description }: Schema): { description?: string } {
  return description === undefined ? {} : { description };
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${cell(String(value))}\``).join(", ");
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.items !== undefined) return listOf(schema);
  if (schema.type === "integer" || schema.type === "number") return `${schema.type}${range(schema)}`;
  if (schema.type === "string" && schema.maxLength !== undefined) {
    return `string of at most ${grouped(schema.maxLength)} characters`;
  }
  return schema.type ?? "any";
}

function listOf({ items = {}, maxItems }: Schema): string {
  const kind = items.properties === undefined ? typeOf(items) : "objects";
  return `list of ${kind}${maxItems === undefined ? "" : `, at most ${grouped(maxItems)}`}`;
}

function range({ minimum, maximum }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return ` ${grouped(minimum)} to ${grouped(maximum)}`;
  return minimum === undefined ? "" : ` from ${grouped(minimum)}`;
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

function defaultOf(schema: Schema, isRequired: boolean): string {
  if (isRequired) return "required";
  if (schema.default === undefined) return "absent";
  const isEmptyObject = schema.properties !== undefined && JSON.stringify(schema.default) === "{}";
  return isEmptyObject ? "its fields'" : `\`${JSON.stringify(schema.default)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", String.raw`\|`);
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

/** Paths of fields that say nothing about themselves. */
export function undescribedFields(schema: Schema = ProxyConfigSchema, path = ""): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const fieldPath = path === "" ? name : `${path}.${name}`;
    const own = (field.description ?? "") === "" ? [fieldPath] : [];
    return [...own, ...objectsIn(field, fieldPath).flatMap((inner) => undescribedFields(inner.schema, inner.path))];
  });
}

if (import.meta.main) writeFileSync(pagePath, renderReference());
