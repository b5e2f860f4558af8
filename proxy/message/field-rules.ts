import type { MessageProblem } from "./message-problem.ts";
import { isForbiddenTrailer } from "./trailers.ts";

/** Rules of RFC 9113 section 8.2 that requests, responses and trailers share. Names are in lower case. */

const colon = 58;

export function isPseudoField(name: string): boolean {
  return name.charCodeAt(0) === colon;
}

/** Fields of an HTTP/1.1 connection (section 8.2.2), told apart by their length first since nearly all fields are others. */
export function connectionFieldProblem(name: string, value: string): MessageProblem | undefined {
  switch (name.length) {
    case 2:
      return name === "te" && value !== "trailers" ? "bad_te" : undefined;
    case 7:
      return name === "upgrade" ? "connection_field" : undefined;
    case 10:
      return name === "connection" || name === "keep-alive" ? "connection_field" : undefined;
    case 16:
      return name === "proxy-connection" ? "connection_field" : undefined;
    case 17:
      return name === "transfer-encoding" ? "connection_field" : undefined;
    default:
      return undefined;
  }
}

/** Digits only, at most 15 of them, so that the number is exact; -1 otherwise. */
export function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > 15) return -1;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/** Trailers carry no pseudo-header field and nothing of `isForbiddenTrailer`. */
export function trailersProblem(fields: readonly string[]): MessageProblem | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (isPseudoField(name) || isForbiddenTrailer(name)) return "bad_trailers";
    const problem = connectionFieldProblem(name, fields[i + 1] ?? "");
    if (problem !== undefined) return problem;
  }
  return undefined;
}
