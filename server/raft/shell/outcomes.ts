import { unreachable } from "../../../lib/base/assert.ts";
import { AtollError, type ErrorCode } from "../../../lib/contract/error-codes.ts";
import type { Outcome } from "../replica/replica-api.ts";

type Failure = Extract<Outcome, { readonly ok: false }>;

/** The error that a failed request stands for; `refusedAs` is what this kind of request is refused as. */
export function errorOf(
  failure: Failure,
  options: { readonly leaderAddress: string; readonly refusedAs: ErrorCode },
): AtollError {
  const { leaderAddress } = options;
  const leader = leaderAddress === "" ? {} : { leader: leaderAddress };
  switch (failure.reason) {
    case "not-leader":
    case "dropped": {
      const where = leaderAddress === "" ? "there is no leader at the moment" : `the leader is at ${leaderAddress}`;
      const why = failure.message === "" ? "this server does not lead" : failure.message;
      return new AtollError("NO_LEADER", `${why} (${where})`, leader);
    }
    case "unknown":
      return new AtollError("UNKNOWN_OUTCOME", `${failure.message}: the change may or may not take effect`, leader);
    case "refused":
    case "pending":
      return new AtollError(options.refusedAs, failure.message);
    default:
      return unreachable(failure.reason, "reason of a failed request");
  }
}
