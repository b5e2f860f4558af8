import { FieldEdit } from "../message/field-edit.ts";
import { clientCertField, type ClientCertRule, protoField } from "../message/forwarded.ts";
import type { RequestHead } from "../message/request-head.ts";

/** What a hop says of the way; the same object for the same caller, so that a repeated head is edited once. */
export interface HopEdit {
  readonly rule: ClientCertRule;
  /** The element that this hop has verified; empty when it has verified nobody. */
  readonly element: string;
  /** Whether X-Forwarded-Proto is added where there is none. */
  readonly tellsProto: boolean;
}

/** The canonical head that a hop sends on. What a client claims about a caller's identity is only passed on where `edit` says so. */
export function editedForHop(head: RequestHead, edit: HopEdit): RequestHead {
  const { block } = head;
  if (block.editedBy === edit && block.edited !== undefined) return block.edited;
  const edited = applyEdit(head, edit);
  if (block.isShared) {
    edited.block.isShared = true;
    block.edited = edited;
    block.editedBy = edit;
  }
  return edited;
}

function applyEdit(head: RequestHead, { rule, element, tellsProto }: HopEdit): RequestHead {
  const { block } = head;
  const addsProto = tellsProto && block.get(protoField) === undefined;
  const claimed = block.get(clientCertField);
  const appended = rule === "append-forward" && claimed !== undefined ? `${claimed},${element}` : element;
  const value = rule === "sanitize" ? "" : appended;
  if (claimed === undefined && value === "" && !addsProto) return head;
  const edit = new FieldEdit(block);
  for (let i = 0; i < block.fields.length; i += 2) if (block.fields[i] === clientCertField) edit.drop(i);
  if (addsProto) edit.add(protoField, head.scheme);
  if (value !== "") edit.add(clientCertField, value);
  return edit.request();
}
