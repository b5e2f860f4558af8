import { FieldBlock } from "../message/field-block.ts";
import { FieldEdit } from "../message/field-edit.ts";
import { grpcKindOf, messageFormatOf } from "../message/grpc.ts";
import type { RequestHead } from "../message/request-head.ts";
import { checkResponse, ResponseHead } from "../message/response-head.ts";
import { mustGet } from "../../lib/base/assert.ts";

/** Whether the client wants base64: what it accepts says so, else the form in which it asks. */
export function wantsText(head: RequestHead): boolean {
  const accepted = (head.block.get("accept") ?? "").split(",").map((part) => grpcKindOf(part.trim()));
  if (accepted.includes("grpc-web-text")) return true;
  return head.grpc === "grpc-web-text" && !accepted.includes("grpc-web");
}

/** A request of gRPC-Web as one of gRPC: the length was that of another body, and trailers will come back. */
export function grpcRequest(head: RequestHead): RequestHead {
  const { block } = head;
  const edit = new FieldEdit(block);
  for (let i = 0; i < block.fields.length; i += 2) {
    const name = block.fields[i];
    if (name === "content-type") edit.set(i, `application/grpc${messageFormatOf(edit.value(i))}`);
    else if (name === "content-length" || name === "te") edit.drop(i);
  }
  edit.add("te", "trailers");
  return edit.request();
}

/** A response of gRPC as one of gRPC-Web, or undefined when it is none of gRPC: then it is the client's as it is. */
export function webResponse({ block }: ResponseHead, isText: boolean): ResponseHead | undefined {
  const contentType = block.get("content-type") ?? "";
  if (grpcKindOf(contentType) !== "grpc") return undefined;
  const edit = new FieldEdit(block);
  const format = messageFormatOf(contentType) || "+proto";
  edit.setFirst("content-type", `application/grpc-web${isText ? "-text" : ""}${format}`);
  for (let i = 0; i < block.fields.length; i += 2) if (block.fields[i] === "content-length") edit.drop(i);
  const head = checkResponse(edit.block());
  return mustGet(head instanceof ResponseHead ? head : undefined, "an edited response is a valid one");
}

/** Trailers as the last frame of the body: its highest bit set, then as lines. */
export function trailersFrame({ fields }: FieldBlock): Buffer {
  let text = "";
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i] ?? ""}:${fields[i + 1] ?? ""}\r\n`;
  const frame = Buffer.alloc(5 + text.length);
  frame[0] = 0x80;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, 5, "latin1");
  return frame;
}

/** What the client sent is no base64. */
export const malformedText = mustBeResponse([
  ":status",
  "200",
  "content-type",
  "application/grpc-web-text+proto",
  "grpc-status",
  "13",
  "grpc-message",
  "malformed base64",
]);

function mustBeResponse(fields: readonly string[]): ResponseHead {
  const head = checkResponse(new FieldBlock(fields));
  return mustGet(head instanceof ResponseHead ? head : undefined, "a reply of our own is a response");
}
