import type { TSchema } from "typebox";
import type { Validator } from "typebox/compile";

/** One thing wrong with an outside document: where, and what to do about it. */
export interface SchemaIssue {
  /** Path in the document, as in `inbound[0].listen`; empty for the document itself. */
  readonly path: string;
  readonly message: string;
}

/** At most this many issues are listed: more would hide the first one. */
const maxIssues = 20;

/** What is wrong with `value` by a compiled schema: field, value found and what is allowed. Empty when nothing is. */
export function schemaIssues(validator: Validator<Record<string, never>, TSchema>, value: unknown): SchemaIssue[] {
  const errors = validator.Errors(value).filter((error) => error.keyword !== "boolean");
  return errors.slice(0, maxIssues).flatMap((error) => {
    if (error.keyword === "additionalProperties") {
      return error.params.additionalProperties.map((key) => ({
        path: joinPath(error.instancePath, key),
        message: "unknown field",
      }));
    }
    if (error.keyword === "required") {
      return error.params.requiredProperties.map((key) => ({
        path: joinPath(error.instancePath, key),
        message: "is required",
      }));
    }
    const expected =
      error.keyword === "enum" ? `must be one of ${JSON.stringify(error.params.allowedValues)}` : error.message;
    const found = describeValue(valueAt(value, error.instancePath));
    return [{ path: readablePath(error.instancePath), message: `${expected}, found ${found}` }];
  });
}

/** The issues as one sentence, for a message. */
export function formatIssues(issues: readonly SchemaIssue[]): string {
  return issues.map((issue) => (issue.path === "" ? issue.message : `${issue.path}: ${issue.message}`)).join("; ");
}

function joinPath(pointer: string, key: string): string {
  const parent = readablePath(pointer);
  return parent === "" ? key : `${parent}.${key}`;
}

/** `/inbound/0/listen` as `inbound[0].listen`. */
function readablePath(pointer: string): string {
  return pointerKeys(pointer)
    .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`))
    .join("")
    .replace(/^\./, "");
}

function pointerKeys(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function valueAt(root: unknown, pointer: string): unknown {
  let value = root;
  for (const key of pointerKeys(pointer)) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, key)?.value;
  }
  return value;
}

function describeValue(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
