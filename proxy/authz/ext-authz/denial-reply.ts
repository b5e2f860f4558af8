import { refusal } from "../../exchange/local-reply.ts";
import type { LocalReply } from "../../exchange/policy.ts";
import type { Denial, Said } from "./answer.ts";
import { fieldOf, isProtected } from "./field-changes.ts";

/** Of a denial's text so much fits into `grpc-message`, which is a field and not a body. */
const maxGrpcCharacters = 1_024;

/** The client's answer; undefined when one of its fields is none. */
export function denialReply(denial: Denial, isGrpc: boolean, onIgnored: () => void): LocalReply | undefined {
  const reply = saidReply(denial, isGrpc, onIgnored);
  const { grpcStatus } = denial;
  return reply && { ...reply, ...(grpcStatus !== undefined && { grpcStatus }), reason: "ext_authz_denied" };
}

/** The same when it is no denial: the authorizer says that it failed, and how clients are told. */
export function failureReply(said: Said, isGrpc: boolean, onIgnored: () => void): LocalReply | undefined {
  const reply = saidReply(said, isGrpc, onIgnored);
  return reply && { ...reply, reason: "ext_authz_error" };
}

function saidReply(said: Said, isGrpc: boolean, onIgnored: () => void): LocalReply | undefined {
  const { status, body } = said;
  const fields: string[] = [];
  let contentType = "text/plain; charset=utf-8";
  for (let i = 0; i < said.fields.length; i += 2) {
    const name = said.fields[i] ?? "";
    if (isProtected(name, "response")) {
      onIgnored();
      continue;
    }
    const field = fieldOf(name, said.fields[i + 1] ?? "");
    if (field === undefined) return undefined;
    if (name === "content-type") contentType = field[1];
    else fields.push(...field);
  }
  return { action: "reply", status, contentType, body: isGrpc ? body.slice(0, maxGrpcCharacters) : body, fields };
}

/** The answer when nobody could say, and that denies. One per status: it may be given often. */
export function errorReply(status: number): LocalReply {
  return refusal(status, "external authorization failed", "ext_authz_error");
}
