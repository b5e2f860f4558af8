import { FieldEdit } from "../../message/field-edit.ts";
import type { RequestHead } from "../../message/request-head.ts";

/** The same request for `host-shadow`, as Envoy writes it, so that servers can tell copies apart. An address in brackets stays. */
export function shadowHead(head: RequestHead): RequestHead {
  const { authority } = head;
  if (authority === "" || authority.startsWith("[")) return head;
  const colon = authority.indexOf(":");
  const host = colon < 0 ? authority : authority.slice(0, colon);
  const edit = new FieldEdit(head.block);
  edit.setFirst(":authority", `${host}-shadow${authority.slice(host.length)}`);
  return edit.request();
}
