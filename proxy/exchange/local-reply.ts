import { FieldBlock } from "../message/field-block.ts";
import { checkResponse, ResponseHead } from "../message/response-head.ts";
import { mustGet } from "../../lib/base/assert.ts";
import { encodeGrpcMessage, type GrpcKind, grpcStatusOf } from "../message/grpc.ts";
import type { UpstreamFailure } from "./ends.ts";
import type { LocalReply } from "./policy.ts";

export function textReply(status: number, text: string): LocalReply {
  return { action: "reply", status, contentType: "text/plain; charset=utf-8", body: `${text}\n` };
}

/** The answer to a request for which no upstream could be had. */
export function failureReply(failure: UpstreamFailure): LocalReply {
  return failureReplies[failure];
}

const failureReplies: Record<UpstreamFailure, LocalReply> = {
  no_healthy_upstream: textReply(503, "no healthy upstream"),
  connect_failure: textReply(503, "upstream connect failure"),
  overflow: textReply(503, "upstream connection limit reached"),
};

interface EncodedReply {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

/** Made once for the answers that do not change: a denied caller may ask as often as it likes. */
const encoded = new WeakMap<LocalReply, EncodedReply>();

/**
 * The same to a gRPC client: a response of trailers only (gRPC's "PROTOCOL-HTTP2"), status 200, the reason in `grpc-status`
 * and `grpc-message`. One of gRPC-Web is the same but for its content type.
 */
export function grpcReplyHead(reply: LocalReply, kind: Exclude<GrpcKind, "">): ResponseHead {
  const fields = [
    ":status",
    "200",
    "content-type",
    kind === "grpc" ? "application/grpc" : `application/${kind}+proto`,
    "grpc-status",
    `${reply.grpcStatus ?? grpcStatusOf(reply.status)}`,
    "grpc-message",
    encodeGrpcMessage(reply.body.trimEnd()),
  ];
  const checked = checkResponse(new FieldBlock(fields));
  return mustGet(checked instanceof ResponseHead ? checked : undefined, "a reply of our own is a response");
}

export function replyHead(reply: LocalReply): EncodedReply {
  const known = encoded.get(reply);
  if (known !== undefined) return known;
  const body = Buffer.from(reply.body, "utf8");
  const block = new FieldBlock([
    ":status",
    `${reply.status}`,
    // Neither is about a body that these never have (RFC 9110 sections 8.6 and 15.4.5).
    ...(reply.status === 204 || reply.status === 304
      ? []
      : ["content-type", reply.contentType, "content-length", `${body.length}`]),
    ...(reply.fields ?? []),
  ]);
  block.isShared = true;
  const checked = checkResponse(block);
  const head = mustGet(checked instanceof ResponseHead ? checked : undefined, "a reply of our own is a response");
  const made = { head: reply.route?.editResponse(head) ?? head, body };
  encoded.set(reply, made);
  return made;
}
