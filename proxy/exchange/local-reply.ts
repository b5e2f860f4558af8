import { FieldBlock } from "../message/field-block.ts";
import { checkResponse, ResponseHead } from "../message/response-head.ts";
import { mustGet } from "../../lib/base/assert.ts";
import { encodeGrpcMessage, type GrpcKind, grpcStatusOf } from "../message/grpc.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { RequestRuleOutcome } from "../message/request-rules.ts";
import type { RequestRefusal } from "../telemetry/http-counters.ts";
import type { UpstreamFailure } from "./ends.ts";
import type { LocalReply } from "./policy.ts";

export function textReply(status: number, text: string): LocalReply {
  return { action: "reply", status, contentType: "text/plain; charset=utf-8", body: `${text}\n` };
}

/** An answer that is counted as a refusal. */
export type Refusal = LocalReply & { readonly reason: RequestRefusal };

export function refusal(status: number, text: string, reason: RequestRefusal): Refusal {
  return { ...textReply(status, text), reason };
}

/** The answer to a request for which no upstream could be had. */
export function failureReply(failure: UpstreamFailure): Refusal {
  return failureReplies[failure];
}

const failureReplies: Record<UpstreamFailure, Refusal> = {
  no_healthy_upstream: refusal(503, "no healthy upstream", "no_healthy_upstream"),
  connect_failure: refusal(503, "upstream connect failure", "connect_failure"),
  overflow: refusal(503, "upstream limit reached", "overflow"),
  concurrency_limit: refusal(503, "reached concurrency limit", "concurrency_limit"),
};

/** What the rules for requests answer. */
export function ruleReply(outcome: Exclude<RequestRuleOutcome, RequestHead>): Refusal {
  switch (outcome.answer) {
    case "reject":
      return refusal(400, outcome.problem.replaceAll("_", " "), outcome.problem);
    case "redirect":
      return {
        ...refusal(307, "the path has another spelling", "path_redirect"),
        fields: ["location", outcome.location],
      };
    case "last-hop":
      return lastHop;
  }
}

/** Neither its options nor a loop-back of its bytes are worth having of a sidecar (RFC 9110 section 9.3.8). */
const lastHop = refusal(501, "max-forwards reached", "max_forwards");

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
    ...(reply.fields ?? []),
  ];
  const checked = checkResponse(new FieldBlock(fields));
  return mustGet(checked instanceof ResponseHead ? checked : undefined, "a reply of our own is a response");
}

/** The response that a reply is to a request; its body is empty where it has none. */
export function ownResponse(reply: LocalReply, request: RequestHead | undefined): EncodedReply {
  const grpc = request?.grpc ?? "";
  if (grpc !== "") return { head: grpcReplyHead(reply, grpc), body: noBody };
  const { head, body } = replyHead(reply);
  return { head, body: request?.method === "HEAD" ? noBody : body };
}

const noBody = Buffer.alloc(0);

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
