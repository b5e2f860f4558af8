import { mustGet } from "../../lib/base/assert.ts";
import { FieldBlock } from "../message/field-block.ts";
import { checkRequest, RequestHead } from "../message/request-head.ts";

/** How Envoy tells an application who calls. */
const identityField = "x-forwarded-client-cert";

/**
 * The head that a hop sends on: what a client claims about a caller's identity is never passed on; `identity` is what this
 * hop has verified, or empty. `editor` is the same object for the same identity, so that a repeated head is edited once.
 */
export function withIdentity(head: RequestHead, identity: string, editor: object): RequestHead {
  const { block } = head;
  if (block.editedBy === editor && block.edited !== undefined) return block.edited;
  const edited = identity === "" && block.get(identityField) === undefined ? head : edit(head, identity);
  if (block.isShared) {
    edited.block.isShared = true;
    block.edited = edited;
    block.editedBy = editor;
  }
  return edited;
}

function edit({ block }: RequestHead, identity: string): RequestHead {
  const fields: string[] = [];
  const neverIndexed: number[] = [];
  for (let i = 0; i < block.fields.length; i += 2) {
    const name = block.fields[i] ?? "";
    if (name === identityField) continue;
    if (block.neverIndexed.includes(i)) neverIndexed.push(fields.length);
    fields.push(name, block.fields[i + 1] ?? "");
  }
  if (identity !== "") fields.push(identityField, identity);
  const head = checkRequest(new FieldBlock(fields, neverIndexed));
  return mustGet(
    head instanceof RequestHead ? head : undefined,
    "a valid head without a field, or with ours, is valid",
  );
}
