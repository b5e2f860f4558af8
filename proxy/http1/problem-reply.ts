import { textReply } from "../exchange/local-reply.ts";
import type { LocalReply } from "../exchange/policy.ts";
import type { HeadProblem } from "./head.ts";

/** The answer to bytes that are no request that can be served. */
export function problemReply(problem: HeadProblem): LocalReply {
  return textReply(problemStatus(problem), problem.replaceAll("_", " "));
}

function problemStatus(problem: HeadProblem): number {
  if (problem === "head_too_large" || problem === "too_many_fields") return 431;
  if (problem === "unsupported_version") return 505;
  return problem === "unsupported_method" ? 501 : 400;
}
