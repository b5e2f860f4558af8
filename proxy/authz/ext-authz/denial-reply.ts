import { refusal } from "../../exchange/local-reply.ts";
import type { LocalReply } from "../../exchange/policy.ts";
import type { Denial } from "./answer.ts";
import { fieldOf, isProtected } from "./field-changes.ts";

/** Of a denial's text so much fits into `grpc-message`, which is a field and not a body. */
const maxGrpcCharacters = 1_024;

/** The client's answer; undefined when one of its fields is none. */
export function denialReply(denial: Denial, isGrpc: boolean, onIgnored: () => void): LocalReply | undefined {
  const { status, body } = denial;
  const fields: string[] = [];
  let contentType = "text/plain; charset=utf-8";
  for (let i = 0; i < denial.fields.length; i += 2) {
    const name = denial.fields[i] ?? "";
    if (isProtected(name, "response")) {
      onIgnored();
      continue;
    }
    const field = fieldOf(name, denial.fields[i + 1] ?? "");
    if (field === undefined) return undefined;
    if (name === "content-type") contentType = field[1];
    else fields.push(...field);
  }
  return {
    action: "reply",
    status,
    contentType,
    body: isGrpc ? body.slice(0, maxGrpcCharacters) : body,
    fields,
    ...(denial.grpcStatus !== undefined && { grpcStatus: denial.grpcStatus }),
    reason: "ext_authz_denied",
  };
}

/** The answer when nobody could say, and that denies. One per status: it may be given often. */
export function errorReply(status: number): LocalReply {
  return refusal(status, "external authorization failed", "ext_authz_error");
}
