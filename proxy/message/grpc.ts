/** What gRPC says in fields of HTTP (its "PROTOCOL-HTTP2" and "PROTOCOL-WEB"). */
export type GrpcKind = "" | "grpc" | "grpc-web" | "grpc-web-text";

/** Codes of gRPC that a proxy uses itself. */
export const GrpcStatus = {
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const contentTypes = [
  ["application/grpc-web-text", "grpc-web-text"],
  ["application/grpc-web", "grpc-web"],
  ["application/grpc", "grpc"],
] as const;

/** Of a content type with or without the format of messages behind a `+`, and parameters. */
export function grpcKindOf(contentType: string): GrpcKind {
  if (contentType.length < "application/grpc".length) return "";
  const text = contentType.toLowerCase();
  for (const [name, kind] of contentTypes) {
    if (text.startsWith(name) && /^(?:[+;\s]|$)/.test(text.slice(name.length))) return kind;
  }
  return "";
}

/** `+proto` or whatever messages are written in, or empty. */
export function messageFormatOf(contentType: string): string {
  return /\+[^;\s]+/.exec(contentType)?.[0] ?? "";
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * `grpc-timeout` in milliseconds: one to eight digits, not all of them zero, and a unit. -1 for anything else, which is no
 * deadline for us and is passed on as it is, as Envoy does: the server says what it thinks of it.
 */
export function parseGrpcTimeout(value: string): number {
  const unit = unitMs[value.slice(-1)];
  const digits = value.slice(0, -1);
  if (unit === undefined || !/^\d{1,8}$/.test(digits)) return -1;
  const timeoutMs = Number(digits) * unit;
  return timeoutMs > 0 ? timeoutMs : -1;
}

/** What an answer of HTTP means to a gRPC client, as Envoy and gRPC itself see it. */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return GrpcStatus.internal;
    case 401:
      return GrpcStatus.unauthenticated;
    case 403:
      return GrpcStatus.permissionDenied;
    case 404:
      return GrpcStatus.unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus.unavailable;
    default:
      return GrpcStatus.unknown;
  }
}

/** By status of gRPC; 499 is a client that has gone away. */
const httpStatuses = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401] as const;

/** What a `grpc-status` means in terms of HTTP, as Envoy sees it; one that is none is a failure of the server. */
export function httpStatusOfGrpc(grpcStatus: string): number {
  return (/^\d{1,2}$/.test(grpcStatus) ? httpStatuses[Number(grpcStatus)] : undefined) ?? 500;
}

/** The value of `grpc-message`: UTF-8, with everything percent-encoded but visible ASCII and spaces. */
export function encodeGrpcMessage(text: string): string {
  let result = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    result += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return result;
}
