import type { Authorizer } from "../authz/intentions.ts";
import type { Decision, RequestPolicy, Upstream } from "../http1/exchange.ts";
import { textReply } from "../http1/local-reply.ts";

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
  readonly #addition: Buffer;
  #authorizer: Authorizer | undefined;
  #decision: Decision = denied;
  #upstream: Upstream | undefined;

  constructor(options: CallerPolicyOptions) {
    this.#options = options;
    this.#addition = Buffer.from(
      `x-forwarded-client-cert: By=${options.ownUri};URI=${options.callerUri}\r\n`,
      "latin1",
    );
  }

  decide(): Decision {
    const authorizer = this.#options.authorizer();
    const upstream = this.#options.upstream();
    if (authorizer !== this.#authorizer || upstream !== this.#upstream) {
      this.#authorizer = authorizer;
      this.#upstream = upstream;
      const isAllowed = authorizer(this.#options.callerUri).isAllowed;
      this.#decision = isAllowed ? { action: "forward", upstream, addition: this.#addition } : denied;
    }
    return this.#decision;
  }
}
