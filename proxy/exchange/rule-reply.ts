import type { RequestHead } from "../message/request-head.ts";
import type { RequestRuleOutcome } from "../message/request-rules.ts";
import type { RequestRefusal } from "../telemetry/http-counters.ts";
import { textReply } from "./local-reply.ts";
import type { LocalReply } from "./policy.ts";

/** What the rules for requests answer, and as what it is counted. */
export function ruleReply(outcome: Exclude<RequestRuleOutcome, RequestHead>): {
  reason: RequestRefusal;
  reply: LocalReply;
} {
  switch (outcome.answer) {
    case "reject":
      return { reason: outcome.problem, reply: textReply(400, outcome.problem.replaceAll("_", " ")) };
    case "redirect":
      return {
        reason: "path_redirect",
        reply: { ...textReply(307, "the path has another spelling"), fields: ["location", outcome.location] },
      };
    case "last-hop":
      return { reason: "max_forwards", reply: lastHop };
  }
}

/** Neither its options nor a loop-back of its bytes are worth having of a sidecar (RFC 9110 section 9.3.8). */
const lastHop = textReply(501, "max-forwards reached");
