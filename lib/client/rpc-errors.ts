/** An {@link AtollError} as a gRPC status and back: its code and HTTP status travel in the trailers. */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { AtollError, type ErrorCode, isErrorCode } from "../contract/error-codes.ts";

const codeKey = "atoll-code";
const statusKey = "atoll-status";
const leaderKey = "atoll-leader";

/** The nearest gRPC status, for peers and tools that do not know our codes; INTERNAL for those that are not listed. */
const grpcStatus: Readonly<Partial<Record<ErrorCode, status>>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  CONFIG_INVALID: status.INVALID_ARGUMENT,
  CERTIFICATE_INVALID: status.INVALID_ARGUMENT,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  NOT_FOUND: status.NOT_FOUND,
  METHOD_NOT_ALLOWED: status.UNIMPLEMENTED,
  CONFLICT: status.ABORTED,
  TOO_LARGE: status.RESOURCE_EXHAUSTED,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
  NO_LEADER: status.UNAVAILABLE,
  UNAVAILABLE: status.UNAVAILABLE,
  UNKNOWN_OUTCOME: status.UNKNOWN,
  TIMEOUT: status.DEADLINE_EXCEEDED,
  DATA_CORRUPT: status.DATA_LOSS,
  WRONG_CLUSTER: status.FAILED_PRECONDITION,
  PROTOCOL_MISMATCH: status.FAILED_PRECONDITION,
};

export interface RpcStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What a server answers for anything thrown. The text of an unexpected error stays in the server's log. */
export function toRpcStatus(thrown: unknown): RpcStatus {
  const error =
    thrown instanceof AtollError ? thrown : new AtollError("INTERNAL", "internal error: see the server's log");
  const metadata = new Metadata();
  metadata.set(codeKey, error.code);
  metadata.set(statusKey, String(error.status));
  if (error.leader !== "") metadata.set(leaderKey, error.leader);
  return { code: grpcStatus[error.code] ?? status.INTERNAL, details: error.message, metadata };
}

/** `isWrite`: a lost answer then means that the write may have taken effect. */
export interface CallContext {
  readonly method: string;
  readonly address: string;
  readonly isWrite: boolean;
}

/** The error that a failed call stands for. */
export function fromServiceError(error: ServiceError, context: CallContext): AtollError {
  const [code] = error.metadata?.get(codeKey) ?? [];
  if (typeof code === "string" && isErrorCode(code)) {
    const httpStatus = Number(error.metadata.get(statusKey)[0]);
    const [leader] = error.metadata.get(leaderKey);
    return new AtollError(code, error.details, {
      cause: error,
      ...(Number.isInteger(httpStatus) && httpStatus >= 400 ? { status: httpStatus } : {}),
      ...(typeof leader === "string" ? { leader } : {}),
    });
  }
  const where = `${context.method} on server ${context.address}`;
  const options = { cause: error };
  switch (error.code) {
    case status.CANCELLED:
      return lost("UNAVAILABLE", `${where} was cancelled`);
    case status.DEADLINE_EXCEEDED:
      return lost("TIMEOUT", `${where} got no answer in time`);
    case status.UNAVAILABLE:
      return lost("UNAVAILABLE", `${where} failed: ${error.details}`);
    case status.RESOURCE_EXHAUSTED:
      return new AtollError("TOO_LARGE", `${where} failed: ${error.details}`, options);
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return new AtollError("PERMISSION_DENIED", `${where} was refused: ${error.details}`, options);
    default:
      return new AtollError("INTERNAL", `${where} failed: ${error.details}`, options);
  }
  function lost(code: "UNAVAILABLE" | "TIMEOUT", how: string): AtollError {
    return lostAnswer({ code, how, isWrite: context.isWrite, cause: error });
  }
}

/** The answer did not come. What that means for a write has to be said before how it came about. */
export function lostAnswer(loss: {
  readonly code: "UNAVAILABLE" | "TIMEOUT";
  readonly how: string;
  readonly isWrite: boolean;
  readonly cause?: unknown;
}): AtollError {
  const { code, how, isWrite, cause } = loss;
  if (!isWrite) return new AtollError(code, how, { cause });
  const message = `the write may or may not have taken effect: its answer was lost (${how})`;
  return new AtollError(code === "TIMEOUT" ? code : "UNKNOWN_OUTCOME", message, { cause });
}
