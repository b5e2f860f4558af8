import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import { fieldEdits, type HeaderModifiers } from "../../lib/contract/header-modifiers.ts";
import { type EditedMessage, fieldEditIssues, FieldEdits } from "../../lib/contract/proxy-field-edits.ts";
import { formatIssues, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { refusal, TextMap } from "./entry-fields.ts";

/** The header changes of routes and splits. */
export const HeaderModifiersBody = Type.Optional(
  Type.Object({ Add: TextMap, Set: TextMap, Remove: Type.Optional(Type.Array(Type.String())) }),
);

const validator = Compile(FieldEdits(""));
/** What Envoy would put something else in the place of. Our proxies take values as they are written. */
const envoyOperator = /%[A-Z_]+(?:\([^)]*\))?(?::\d+)?%/;

/** Undefined where nothing is changed. What no proxy may edit is refused: `path` is its place in the entry. */
export function decodeModifiers(
  body: Static<typeof HeaderModifiersBody> | undefined,
  message: EditedMessage,
  path: string,
): HeaderModifiers | undefined {
  const modifiers = { Add: body?.Add ?? {}, Set: body?.Set ?? {}, Remove: body?.Remove ?? [] };
  if ([modifiers.Add, modifiers.Set, modifiers.Remove].every((part) => Object.keys(part).length === 0))
    return undefined;
  const edits = fieldEdits(modifiers);
  const [issue] = validator.Check(edits) ? fieldEditIssues("", edits, message) : schemaIssues(validator, edits);
  if (issue !== undefined)
    throw refusal(`${path} cannot be done by a proxy: ${formatIssues([issue]).replace(/^\./, "")}`);
  const computed = [...edits.set, ...edits.add].find(({ value }) => envoyOperator.test(value));
  if (computed === undefined) return modifiers;
  throw refusal(`${path}: values that Envoy computes are not supported by this version, found "${computed.value}"`);
}

/** Consul's JSON of both, under their names. */
export function modifiersAnswer(changes: {
  readonly RequestHeaders?: HeaderModifiers;
  readonly ResponseHeaders?: HeaderModifiers;
}): object {
  return { ...answer("RequestHeaders", changes.RequestHeaders), ...answer("ResponseHeaders", changes.ResponseHeaders) };
}

function answer(name: string, modifiers: HeaderModifiers | undefined): object {
  if (modifiers === undefined) return {};
  const { Add, Set: replaced, Remove } = modifiers;
  return {
    [name]: { ...unlessEmpty("Add", Add), ...unlessEmpty("Set", replaced), ...unlessEmpty("Remove", Remove) },
  };
}
