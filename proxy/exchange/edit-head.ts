import { FieldEdit } from "../message/field-edit.ts";
import { clientCertField, type ClientCertRule } from "../message/forwarded.ts";
import type { RequestHead } from "../message/request-head.ts";

/** What a hop does with X-Forwarded-Client-Cert; the same object for the same caller, so that a repeated head is edited once. */
export interface ClientCertEdit {
  readonly rule: ClientCertRule;
  /** The element that this hop has verified; empty when it has verified nobody. */
  readonly element: string;
}

/** The canonical head that a hop sends on. What a client claims about a caller's identity is only passed on where `edit` says so. */
export function withClientCert(head: RequestHead, edit: ClientCertEdit): RequestHead {
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

function applyEdit(head: RequestHead, { rule, element }: ClientCertEdit): RequestHead {
  const { block } = head;
  const claimed = block.get(clientCertField);
  const appended = rule === "append-forward" && claimed !== undefined ? `${claimed},${element}` : element;
  const value = rule === "sanitize" ? "" : appended;
  if (claimed === undefined && value === "") return head;
  const edit = new FieldEdit(block);
  for (let i = 0; i < block.fields.length; i += 2) if (block.fields[i] === clientCertField) edit.drop(i);
  if (value !== "") edit.add(clientCertField, value);
  return edit.request();
}
