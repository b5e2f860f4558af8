import type { FastifySchemaCompiler } from "fastify";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { parseJsonText } from "../base/json-file.ts";
import { canonicalKeys } from "../contract/canonical-keys.ts";
import { AtollError } from "../contract/error-codes.ts";
import { formatIssues, schemaIssues } from "../contract/schema-issues.ts";

/**
 * Bodies as Consul reads them: JSON whatever the content type says (curl says form), keys in any case and with or without
 * underscores, `null` as "not given". A route declares a typebox schema for `body` and finds the decoded value in
 * `request.body`; without a schema the body stays the bytes that were sent.
 */
export const compileRequestSchema: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart === "body") {
    const decode = createBodyDecoder(schema);
    return (body: unknown) => {
      const decoded = decode(body);
      return decoded.ok ? { value: decoded.value } : { error: decodeFailed(decoded.message) };
    };
  }
  const validator = Compile(schema);
  return (value: unknown) =>
    validator.Check(value) ? { value } : { error: decodeFailed(formatIssues(schemaIssues(validator, value))) };
};

export type Decoded = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

/** The JSON value of a body that came without a schema. Throws `INVALID_ARGUMENT`. */
export function readJsonBody(body: unknown): unknown {
  const parsed = parseBody(body);
  if (!parsed.ok) throw decodeFailed(parsed.message);
  return parsed.value;
}

/**
 * Decodes bodies against `schema`. Keys that it does not name are dropped, as Go does, unless the schema itself says
 * `additionalProperties: false`.
 */
export function createBodyDecoder(schema: TSchema): (body: unknown) => Decoded {
  const validator = Compile(schema);
  const isStrict = Object.getOwnPropertyDescriptor(schema, "additionalProperties")?.value === false;
  return (body) => {
    const parsed = parseBody(body);
    if (!parsed.ok) return parsed;
    const canonical = canonicalKeys(schema, parsed.value);
    const unknown = isStrict ? canonical.unknownFields : [];
    const issues = [
      ...canonical.issues,
      ...unknown.map((path) => ({ path, message: "unknown field" })),
      ...schemaIssues(validator, canonical.value),
    ];
    return issues.length === 0 ? { ok: true, value: canonical.value } : { ok: false, message: formatIssues(issues) };
  };
}

export function decodeFailed(message: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", `Request decode failed: ${message}`);
}

function parseBody(body: unknown): Decoded {
  const text = Buffer.isBuffer(body) ? body.toString("utf8") : "";
  if (text.trim() === "") return { ok: false, message: "EOF: the request has no body, JSON is expected" };
  const parsed = parseJsonText(text);
  if (parsed.ok) return parsed;
  return { ok: false, message: `line ${parsed.line}, column ${parsed.column}: ${parsed.message}` };
}
