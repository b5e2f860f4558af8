import { type Authorizer, type CallerRules, judgeRequest } from "../authz/intentions.ts";
import type { JwtVerifier } from "../authz/jwt/verifier.ts";
import { editedForHop, type HopEdit } from "../exchange/edit-head.ts";
import type { Upstream } from "../exchange/ends.ts";
import { textReply } from "../exchange/local-reply.ts";
import type { Decision, ForwardPolicy, LocalReply, RequestPolicy } from "../exchange/policy.ts";
import { clientCertElement, type ClientCertRule, type VerifiedCaller } from "../message/forwarded.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { Verdict } from "../message/verdict.ts";

export interface CallerPolicyOptions {
  readonly caller: VerifiedCaller;
  /** The rules as they are now. */
  readonly authorizer: () => Authorizer;
  /** A request is let through that would have been denied, were the rule not only tried out. */
  readonly onDryRun: (verdict: Verdict, head: RequestHead) => void;
  /** Verifies tokens, where there are providers of any. */
  readonly jwt: () => JwtVerifier | undefined;
  readonly clientCert: () => ClientCertRule;
  readonly upstream: () => Upstream;
  /** As it is now; undefined when there is nothing in it. */
  readonly forward: () => ForwardPolicy | undefined;
}

/** As Consul calls it in Envoy's configuration. */
export const localCluster = "local_app";

/**
 * Decides for the requests of one mesh connection. The caller is the same for all of them, so its rule is looked up once and
 * again only when the rules have changed. Every forwarded request tells the application who calls, in the field Envoy uses
 * for it.
 */
export class CallerPolicy implements RequestPolicy {
  readonly #options: CallerPolicyOptions;
  #edit: HopEdit;
  #authorizer: Authorizer;
  #rules: CallerRules;

  constructor(options: CallerPolicyOptions) {
    this.#options = options;
    this.#edit = { rule: options.clientCert(), element: clientCertElement(options.caller), tellsProto: true };
    this.#authorizer = options.authorizer();
    this.#rules = this.#authorizer(options.caller.callerUri);
  }

  decide(head: RequestHead): Decision {
    const { authorizer, caller, clientCert, upstream, forward } = this.#options;
    const current = authorizer();
    if (current !== this.#authorizer) {
      this.#authorizer = current;
      this.#rules = current(caller.callerUri);
    }
    const verdict = judgeRequest(this.#rules, head);
    if ("settled" in verdict) return { action: "wait", settled: verdict.settled };
    if (!verdict.isAllowed) return deniedReply(verdict);
    if (verdict.isDryRun) this.#options.onDryRun(verdict, head);
    const rule = clientCert();
    if (rule !== this.#edit.rule) this.#edit = { ...this.#edit, rule };
    const forwarded = editedForHop(this.#withoutTokens(head), this.#edit);
    const policy = forward();
    return { action: "forward", upstream: upstream(), head: forwarded, cluster: localCluster, policy };
  }

  #withoutTokens(head: RequestHead): RequestHead {
    const jwt = this.#options.jwt();
    return jwt === undefined ? head : jwt.edited(head);
  }
}

/** One per verdict: a denied caller may ask as often as it likes. */
const replies = new WeakMap<Verdict, LocalReply>();

/** Says which rule denied and nothing else. */
function deniedReply(verdict: Verdict): LocalReply {
  const known = replies.get(verdict);
  if (known !== undefined) return known;
  const { problem, rule } = verdict;
  const text = `RBAC: access denied by ${rule}`;
  const reply: LocalReply =
    problem === undefined
      ? { ...textReply(403, text), reason: "denied" }
      : { ...textReply(401, text), fields: ["www-authenticate", "Bearer"], reason: problem };
  replies.set(verdict, reply);
  return reply;
}
