import type { Authorizer } from "../authz/intentions.ts";
import { editedForHop, type HopEdit } from "../exchange/edit-head.ts";
import type { Upstream } from "../exchange/ends.ts";
import { textReply } from "../exchange/local-reply.ts";
import type { Decision, RequestPolicy } from "../exchange/policy.ts";
import { clientCertElement, type ClientCertRule, type VerifiedCaller } from "../message/forwarded.ts";
import type { RequestHead } from "../message/request-head.ts";

export interface CallerPolicyOptions {
  readonly caller: VerifiedCaller;
  /** The rules as they are now. */
  readonly authorizer: () => Authorizer;
  readonly clientCert: () => ClientCertRule;
  readonly upstream: () => Upstream;
}

/** As Consul calls it in Envoy's configuration. */
const localCluster = "local_app";
const denied = textReply(403, "RBAC: access denied");

/**
 * Decides for the requests of one mesh connection. The caller is the same for all of them, so its verdict is computed
 * once and again only when the rules have changed. Every forwarded request tells the application who calls, in the field
 * Envoy uses for it.
 */
export class CallerPolicy implements RequestPolicy {
  readonly #options: CallerPolicyOptions;
  #edit: HopEdit;
  #authorizer: Authorizer | undefined;
  #isAllowed = false;

  constructor(options: CallerPolicyOptions) {
    this.#options = options;
    this.#edit = { rule: options.clientCert(), element: clientCertElement(options.caller), tellsProto: true };
  }

  decide(head: RequestHead): Decision {
    const { authorizer, caller, clientCert, upstream } = this.#options;
    const current = authorizer();
    if (current !== this.#authorizer) {
      this.#authorizer = current;
      this.#isAllowed = current(caller.callerUri).isAllowed;
    }
    if (!this.#isAllowed) return denied;
    const rule = clientCert();
    if (rule !== this.#edit.rule) this.#edit = { ...this.#edit, rule };
    return { action: "forward", upstream: upstream(), head: editedForHop(head, this.#edit), cluster: localCluster };
  }
}
