import { type EditedMessage, fieldEditProblem, hasOneValue } from "../../../lib/contract/proxy-field-edits.ts";
import { FieldEdit } from "../../message/field-edit.ts";
import { checkRequest, RequestHead } from "../../message/request-head.ts";
import { checkResponse, ResponseHead } from "../../message/response-head.ts";
import type { Allowance, FieldChange, QueryChange } from "./answer.ts";

/**
 * What an authorizer changes in a message that it lets through. It is held to what routes are held to: what frames a message or says
 * who calls is not its to change, and such a change is passed over, as Envoy passes over a removal of Host.
 */
const isName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Bytes of a field's value, one character each: no control byte but a tab. */
const isContent = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A field that can be sent. Undefined for a name that is none or a value that could end a line: such an answer is not followed at all. */
export function fieldOf(name: string, value: string): readonly [name: string, value: string] | undefined {
  return isName.test(name) && isContent.test(value) ? [name, value.replace(/^[ \t]+|[ \t]+$/g, "")] : undefined;
}

/** Of a pseudo-header field it is said as of the others: nobody's to change. */
export function isProtected(name: string, message: EditedMessage): boolean {
  return name.startsWith(":") || fieldEditProblem(name, message) !== undefined;
}

/** The head that goes on: the same one when nothing changes; undefined when what is said cannot be done. */
export function changedRequest(
  head: RequestHead,
  allowance: Allowance,
  onIgnored: () => void,
): RequestHead | undefined {
  const { changes, removals, query } = allowance;
  if (changes.length + removals.length === 0 && query === undefined) return head;
  const edit = new FieldEdit(head.block);
  if (!applyChanges(edit, changes, "request", onIgnored)) return undefined;
  for (const name of removals) {
    if (isProtected(name, "request")) onIgnored();
    else edit.remove(name);
  }
  if (query !== undefined && head.path !== "*") edit.setFirst(":path", changedQuery(head.path, query));
  const checked = checkRequest(edit.block());
  return checked instanceof RequestHead ? checked : undefined;
}

/** The same of the application's response; what cannot be done leaves it as it is, since by then the request has been served. */
export function changedResponse(
  head: ResponseHead,
  changes: readonly FieldChange[],
  onIgnored: () => void,
): ResponseHead {
  const edit = new FieldEdit(head.block);
  if (!applyChanges(edit, changes, "response", onIgnored)) return head;
  const checked = checkResponse(edit.block());
  return checked instanceof ResponseHead ? checked : head;
}

/** False when one of them is no field. */
function applyChanges(
  edit: FieldEdit,
  changes: readonly FieldChange[],
  message: EditedMessage,
  onIgnored: () => void,
): boolean {
  for (const change of changes) {
    if (isProtected(change.name, message)) {
      onIgnored();
      continue;
    }
    const field = fieldOf(change.name, change.value);
    if (field === undefined) return false;
    applyOne(edit, field, change.how);
  }
  return true;
}

function applyOne(edit: FieldEdit, [name, value]: readonly [string, string], how: FieldChange["how"]): void {
  switch (how) {
    case "overwrite":
      edit.replace(name, value);
      break;
    case "add":
      if (hasOneValue(name)) edit.replace(name, value);
      else edit.add(name, value);
      break;
    case "add-if-absent":
      if (!edit.has(name)) edit.add(name, value);
      break;
    case "overwrite-if-exists":
      if (edit.has(name)) edit.replace(name, value);
      break;
  }
}

/** Names are compared decoded, as applications read them; what is set is written escaped. The path before it stays as it is. */
function changedQuery(target: string, { set, remove }: QueryChange): string {
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  let parts = at < 0 ? [] : target.slice(at + 1).split("&");
  for (const [name, value] of set) {
    const written = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
    const first = parts.findIndex((part) => isParameter(part, name));
    if (first < 0) parts.push(written);
    else parts = parts.flatMap((part, i) => (i === first ? [written] : isParameter(part, name) ? [] : [part]));
  }
  for (const name of remove) parts = parts.filter((part) => !isParameter(part, name));
  return parts.length === 0 ? path : `${path}?${parts.join("&")}`;
}

function isParameter(part: string, name: string): boolean {
  return new URLSearchParams(part).has(name);
}
