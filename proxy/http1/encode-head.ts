import { STATUS_CODES } from "node:http";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";

/** Forms in which one head can leave: they differ in the fields of this hop alone. */
const Form = { plain: 1, chunked: 2, close: 4, upgrade: 8, empty: 16 } as const;

/** A request as HTTP/1.1; `isChunked` when it has a body whose length nobody knows. An extended CONNECT is an upgrade again. */
export function encodeRequestHead(head: RequestHead, isChunked: boolean): Buffer {
  const isUpgrade = head.protocol !== "";
  const form = Form.plain | (isChunked ? Form.chunked : 0) | (isUpgrade ? Form.upgrade : 0);
  const { block } = head;
  if (block.http1 !== undefined && block.http1Form === form) return block.http1;
  const target = head.isConnect && !isUpgrade ? head.authority : head.path;
  let text = `${isUpgrade ? "GET" : head.method} ${target} HTTP/1.1\r\nhost: ${head.authority}\r\n`;
  text += fieldLines(block);
  if (isUpgrade) text += `connection: upgrade\r\nupgrade: ${head.protocol}\r\n`;
  return finish(block, form, text);
}

export interface ResponseForm {
  readonly isChunked: boolean;
  readonly addsClose: boolean;
  /** It could have a body and has none, without saying so. */
  readonly isEmpty: boolean;
  /** The protocol that the connection becomes, or empty. */
  readonly protocol: string;
}

export function encodeResponseHead(
  head: ResponseHead,
  { isChunked, addsClose, isEmpty, protocol }: ResponseForm,
): Buffer {
  const form =
    Form.plain |
    (isChunked ? Form.chunked : 0) |
    (addsClose ? Form.close : 0) |
    (isEmpty ? Form.empty : 0) |
    (protocol === "" ? 0 : Form.upgrade);
  const { block } = head;
  if (block.http1 !== undefined && block.http1Form === form) return block.http1;
  const status = protocol === "" ? head.status : 101;
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${fieldLines(block)}`;
  if (protocol !== "") text += `connection: upgrade\r\nupgrade: ${protocol}\r\n`;
  else if (addsClose) text += "connection: close\r\n";
  if (isEmpty) text += "content-length: 0\r\n";
  return finish(block, form, text);
}

/** Trailers behind the last chunk, with the empty line that ends them. */
export function encodeTrailers(block: FieldBlock): Buffer {
  return Buffer.from(`0\r\n${fieldLines(block)}\r\n`, "latin1");
}

/** All fields but the pseudo-header fields. */
function fieldLines({ fields }: FieldBlock): string {
  let text = "";
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (name.charCodeAt(0) !== 58) text += `${name}: ${fields[i + 1] ?? ""}\r\n`;
  }
  return text;
}

function finish(block: FieldBlock, form: number, text: string): Buffer {
  const ending = (form & Form.chunked) === 0 ? "\r\n" : "transfer-encoding: chunked\r\n\r\n";
  const bytes = Buffer.from(text + ending, "latin1");
  // An upgrade's form does not name its protocol, and happens once per connection.
  if (block.isShared && (form & Form.upgrade) === 0) {
    block.http1 = bytes;
    block.http1Form = form;
  }
  return bytes;
}
