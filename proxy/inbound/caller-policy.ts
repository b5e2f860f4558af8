import type { Authorizer } from "../authz/intentions.ts";
import { withIdentity } from "../exchange/edit-head.ts";
import type { Upstream } from "../exchange/ends.ts";
import { textReply } from "../exchange/local-reply.ts";
import type { Decision, RequestPolicy } from "../exchange/policy.ts";
import type { RequestHead } from "../message/request-head.ts";

export interface CallerPolicyOptions {
  readonly callerUri: string;
  readonly ownUri: string;
  /** The rules as they are now. */
  readonly authorizer: () => Authorizer;
  readonly upstream: () => Upstream;
}

const denied = textReply(403, "RBAC: access denied");

/**
 * Decides for the requests of one mesh connection. The caller is the same for all of them, so its verdict is computed
 * once and again only when the rules have changed. Every forwarded request tells the application who calls, in the field
 * Envoy uses for it; what a caller wrote there itself is never passed on.
 */
export class CallerPolicy implements RequestPolicy {
  readonly #options: CallerPolicyOptions;
  readonly #identity: string;
  #authorizer: Authorizer | undefined;
  #isAllowed = false;

  constructor(options: CallerPolicyOptions) {
    this.#options = options;
    this.#identity = `By=${options.ownUri};URI=${options.callerUri}`;
  }

  decide(head: RequestHead): Decision {
    const authorizer = this.#options.authorizer();
    if (authorizer !== this.#authorizer) {
      this.#authorizer = authorizer;
      this.#isAllowed = authorizer(this.#options.callerUri).isAllowed;
    }
    if (!this.#isAllowed) return denied;
    return {
      action: "forward",
      upstream: this.#options.upstream(),
      head: withIdentity(head, this.#identity, this),
    };
  }
}
