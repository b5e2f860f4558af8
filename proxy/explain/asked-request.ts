import type { LocalReply } from "../exchange/policy.ts";
import { admit } from "../exchange/own-replies.ts";
import type { ServerContext } from "../exchange/server-context.ts";
import { canonicalRequest } from "../http1/canonical-head.ts";
import { MessageHead, parseRequestHead } from "../http1/head.ts";
import { problemReply } from "../http1/problem-reply.ts";
import { FieldEdit } from "../message/field-edit.ts";
import type { RequestHead } from "../message/request-head.ts";
import { type AskedUrl, invalid, type Question } from "./question.ts";

/** What came of the request before any policy was asked. */
export type Admitted =
  | { readonly canonical: RequestHead; readonly received: RequestHead }
  /** It is answered; `reason` when it could not even be read. */
  | { readonly reply: LocalReply; readonly reason?: string };

/** The request as a client of HTTP/1.1 would write it, read by the codec and the rules of the listener. Throws `INVALID_ARGUMENT`. */
export function admitAsked({ method, fields }: Question, url: AskedUrl, context: ServerContext): Admitted {
  const parts = [method, url.authority, url.path, ...fields];
  if (parts.some((part) => /[\r\n]/.test(part))) throw invalid("a request has no line ends in its parts");
  if (fields.some((field) => !field.includes(":"))) throw invalid("-H must be 'Name: value'");
  const hasHost = fields.some((field) => /^host\s*:/i.test(field));
  const lines = [
    `${method} ${url.path} HTTP/1.1`,
    ...(hasHost ? [] : [`Host: ${url.authority}`]),
    ...fields.map((field) => field.trim()),
  ];
  const bytes = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "utf8");
  const parsed = new MessageHead();
  const outcome = parseRequestHead(bytes, 0, parsed, context.limits().http1);
  if (outcome === "incomplete") throw invalid("the request has no end");
  if (outcome !== "complete") return { reply: problemReply(outcome), reason: outcome };
  const request = canonicalRequest(parsed, context.defaultAuthority);
  if (typeof request === "string") return { reply: problemReply(request), reason: request };
  const received = withScheme(request.head, url.scheme);
  const admitted = admit(received, context);
  return "block" in admitted ? { canonical: admitted, received } : { reply: admitted };
}

/** HTTP/2 says it in the request; HTTP/1.1 does not. */
function withScheme(head: RequestHead, scheme: string): RequestHead {
  if (head.scheme === scheme || head.scheme === "") return head;
  const edit = new FieldEdit(head.block);
  edit.setFirst(":scheme", scheme);
  return edit.request();
}
