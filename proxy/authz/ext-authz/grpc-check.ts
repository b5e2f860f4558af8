import { mustGet } from "../../../lib/base/assert.ts";
import type { ExtAuthzConfig } from "../../../lib/contract/proxy-ext-authz.ts";
import { FieldBlock } from "../../message/field-block.ts";
import { GrpcStatus, grpcKindOf } from "../../message/grpc.ts";
import { checkRequest, RequestHead } from "../../message/request-head.ts";
import { type CheckOutcome, failed } from "./answer.ts";
import type { CheckProtocol, CheckReply } from "./check-protocol.ts";
import { encodeCheckRequest, type FieldFilter } from "./check-request.ts";
import { decodeCheckResponse } from "./check-response.ts";
import type { CheckSubject } from "./check-subject.ts";
import { compileSent } from "./name-patterns.ts";

/** A flag for compression, which nobody has asked for, and four bytes of length (gRPC's "PROTOCOL-HTTP2"). */
const prefixBytes = 5;

const deadlineExceeded = `${GrpcStatus.deadlineExceeded}`;

/** Envoy's `envoy.service.auth.v3.Authorization/Check`. */
export class GrpcCheck implements CheckProtocol {
  readonly #head: RequestHead;
  readonly #isSent: FieldFilter;
  readonly #isRaw: boolean;
  readonly #hasCertificate: boolean;
  readonly #contextExtensions: readonly (readonly [string, string])[];

  constructor(config: ExtAuthzConfig, { address, authority = address, tls }: NonNullable<ExtAuthzConfig["grpc"]>) {
    const block = new FieldBlock([
      ...[":method", "POST", ":scheme", tls === undefined ? "http" : "https", ":authority", authority],
      ...[":path", "/envoy.service.auth.v3.Authorization/Check", "content-type", "application/grpc", "te", "trailers"],
      ...["grpc-timeout", `${config.timeoutMs}m`],
    ]);
    // The same for every check: it is encoded once.
    block.isShared = true;
    const head = checkRequest(block);
    this.#head = mustGet(head instanceof RequestHead ? head : undefined, "a check is a valid request");
    this.#isSent = compileSent(config, { sendsAll: true, always: [] });
    this.#isRaw = config.encodeRawHeaders;
    this.#hasCertificate = config.includePeerCertificate;
    this.#contextExtensions = Object.entries(config.contextExtensions);
  }

  request(subject: CheckSubject): { readonly head: RequestHead; readonly body: Buffer } {
    const body = encodeCheckRequest({
      subject,
      isSent: this.#isSent,
      isRaw: this.#isRaw,
      hasCertificate: this.#hasCertificate,
      contextExtensions: this.#contextExtensions,
      prefixBytes,
    });
    body.writeUInt32BE(body.length - prefixBytes, 1);
    return { head: this.#head, body };
  }

  outcome({ head, body, trailers }: CheckReply): CheckOutcome {
    if (head.status !== 200) return failed(`it answered with status ${head.status}`);
    if (grpcKindOf(head.block.get("content-type") ?? "") !== "grpc") return failed("its answer is no gRPC");
    // In an answer without a message the trailers are the head.
    const status = (trailers ?? head.block).get("grpc-status") ?? "";
    // It keeps the time that it was given as well, and may be the first to say that it is over.
    if (status === deadlineExceeded) return { kind: "timeout" };
    if (status !== "0") {
      return failed(
        /^\d{1,2}$/.test(status) ? `it answered with gRPC status ${status}` : "its answer has no gRPC status",
      );
    }
    const isWhole = body.length >= prefixBytes && body[0] === 0 && body.readUInt32BE(1) === body.length - prefixBytes;
    const answer = isWhole ? decodeCheckResponse(body.subarray(prefixBytes)) : undefined;
    return answer ?? failed("its answer is no CheckResponse that could be followed");
  }
}
