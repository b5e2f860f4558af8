import { STATUS_CODES } from "node:http";
import type { LocalReply } from "./exchange.ts";

/** The bytes of an answer of our own. */
export function encodeLocalReply(
  reply: LocalReply,
  options: { readonly isHead: boolean; readonly addsClose: boolean },
): Buffer {
  const body = Buffer.from(reply.body, "utf8");
  const head = [
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? "Unknown"}`,
    `content-type: ${reply.contentType}`,
    `content-length: ${body.length}`,
    ...(options.addsClose ? ["connection: close"] : []),
    "",
    "",
  ].join("\r\n");
  const headBytes = Buffer.from(head, "latin1");
  return options.isHead ? headBytes : Buffer.concat([headBytes, body]);
}

export function textReply(status: number, text: string): LocalReply {
  return { action: "reply", status, contentType: "text/plain; charset=utf-8", body: `${text}\n` };
}
