/** How a node gets its first certificate. The only method that a caller without a certificate reaches. */
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { EnrollRequest, EnrollResponse } from "../../lib/client/rpc-methods.ts";
import type { Authority } from "../ca/authority.ts";
import { hasSameSecret } from "./join-token.ts";

export interface EnrollPolicy {
  readonly authority: Authority;
  readonly joinToken: string;
  /** The listener is on a loopback address: whoever reaches it runs on this machine already. */
  readonly isOpen: boolean;
  readonly countRefusal: (reason: string) => void;
}

/** Throws `PERMISSION_DENIED` for a wrong token, and what the authority throws for an unusable request. */
export function enroll(request: EnrollRequest, policy: EnrollPolicy): EnrollResponse {
  if (!policy.isOpen && !hasSameSecret(request.joinToken, policy.joinToken)) {
    policy.countRefusal("bad-join-token");
    throw new AtollError(
      "PERMISSION_DENIED",
      request.joinToken === ""
        ? "this server asks for the join token: take it from the file join-token in its data directory"
        : "the join token is not this server's: take it from the file join-token in its data directory",
    );
  }
  const { authority } = policy;
  const signed = authority.sign(request.csrPem, { services: false, agentNode: request.node });
  return {
    certPem: signed.certPem + signed.chainPem,
    rootsPem: authority.rootsPem,
    clusterId: authority.clusterId,
    trustDomain: authority.trustDomain,
    datacenter: authority.datacenter,
  };
}
