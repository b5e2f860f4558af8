import { STATUS_CODES } from "node:http";
import type { LocalReply, UpstreamFailure } from "./exchange.ts";
import type { HeadProblem } from "./head.ts";

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

/** The answer to a request for which no upstream could be had. */
export function failureReply(failure: UpstreamFailure): LocalReply {
  return textReply(503, failureText[failure]);
}

/** The answer to bytes that are no request that can be served. */
export function problemReply(problem: HeadProblem): LocalReply {
  return textReply(problemStatus(problem), problem.replaceAll("_", " "));
}

const failureText: Record<UpstreamFailure, string> = {
  no_healthy_upstream: "no healthy upstream",
  connect_failure: "upstream connect failure",
  overflow: "upstream connection limit reached",
};

function problemStatus(problem: HeadProblem): number {
  if (problem === "head_too_large" || problem === "too_many_fields") return 431;
  if (problem === "unsupported_version") return 505;
  return problem === "unsupported_method" ? 501 : 400;
}
