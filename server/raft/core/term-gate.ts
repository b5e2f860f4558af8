import { becomeFollower, type CoreState } from "./core-state.ts";
import { isMember } from "./membership.ts";
import type { Message } from "./types.ts";
import { isHeldByLeader, knownCommit } from "./voter.ts";

/**
 * The one place that judges a message by its term before any role sees it; returns whether a role should. Every rule about
 * stale and early messages is here.
 */
export function passesTermGate(state: CoreState, message: Message): boolean {
  if (message.to !== state.id || message.from === state.id) return false;
  if (state.membership.removed.includes(message.from)) return false;
  // Requests are judged by term and log alone, our configuration may be old. An answer from a stranger was never asked for.
  if (isResponse(message) && !isMember(state.membership, message.from)) return false;
  if (message.term > state.term) return acceptsHigherTerm(state, message);
  if (message.term < state.term) {
    answerLowerTerm(state, message);
    return false;
  }
  // Of this very term and not from us: whoever sent it won the election that we lost.
  if (isFromLeader(message) && state.role.role !== "leader" && state.role.role !== "follower") {
    becomeFollower(state, message.term, message.from);
  }
  return true;
}

function acceptsHigherTerm(state: CoreState, message: Message): boolean {
  switch (message.type) {
    case "pre-vote":
      // Nobody has that term yet: a pre-vote changes nothing.
      return !isHeldByLeader(state, message);
    case "vote":
      if (isHeldByLeader(state, message)) return false;
      break;
    case "pre-vote-response":
      if (message.isGranted) return true;
      break;
    default:
  }
  becomeFollower(state, message.term, isFromLeader(message) ? message.from : "");
  return true;
}

/**
 * A server that counted its term up in a partition ignores the leader's lower one, and stickiness keeps it from winning: the
 * answer shows the leader the higher term and frees both (rule 3). A pre-vote of a lower term is refused aloud for the same
 * reason (rule 1). Everything else of a lower term is old news.
 */
function answerLowerTerm(state: CoreState, message: Message): void {
  const { outbox, id, term } = state;
  const base = { from: id, to: message.from, term };
  if (isFromLeader(message)) {
    outbox.messagesAfterStore.push({
      ...base,
      type: "append-response",
      index: 0,
      isRejected: true,
      hintIndex: 0,
      hintTerm: 0,
    });
  } else if (message.type === "pre-vote") {
    outbox.messagesAfterStore.push({ ...base, type: "pre-vote-response", isGranted: false, ...knownCommit(state) });
  }
}

export function isFromLeader(message: Message): boolean {
  return message.type === "append" || message.type === "heartbeat" || message.type === "snapshot";
}

function isResponse(message: Message): boolean {
  switch (message.type) {
    case "append-response":
    case "heartbeat-response":
    case "vote-response":
    case "pre-vote-response":
      return true;
    default:
      return false;
  }
}
