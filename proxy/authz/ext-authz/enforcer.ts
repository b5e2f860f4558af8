import type { ExtAuthzConfig } from "../../../lib/contract/proxy-ext-authz.ts";
import type { Decision, ForwardDecision, LocalReply } from "../../exchange/policy.ts";
import { compileConditions, pathOf, type RequestMatcher } from "../../match/request-match.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { Allowance, CheckOutcome, Said } from "./answer.ts";
import type { Authorizer } from "./authorizer.ts";
import type { CheckPeers } from "./check-subject.ts";
import type { ExtAuthzCounters } from "./counters.ts";
import { denialReply, errorReply, failureReply } from "./denial-reply.ts";
import { changedRequest, changedResponse } from "./field-changes.ts";

export interface EnforcerOptions {
  readonly config: ExtAuthzConfig;
  readonly authorizer: Authorizer;
  readonly counters: ExtAuthzCounters;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly onFailed: (reason: string, peers: CheckPeers) => void;
  readonly onDryRun: (peers: CheckPeers, request: string) => void;
}

/** What is done with requests that may be forwarded, under one configuration: ask, and do as the answer says. */
export class Enforcer {
  readonly #options: EnforcerOptions;
  readonly #bypasses: readonly RequestMatcher[];
  readonly #errorReply: LocalReply;
  readonly #onIgnored: () => void;

  constructor(options: EnforcerOptions) {
    const { config, counters } = options;
    this.#options = options;
    // Nobody looks at such a request again: it must be one in whatever way the application reads its path.
    this.#bypasses = config.bypass.map((conditions) => compileConditions(conditions, "fails"));
    this.#errorReply = errorReply(config.statusOnError);
    this.#onIgnored = () => {
      counters.ignoredChanges++;
    };
  }

  /** Whether nobody is asked about a request. */
  isBypassed(head: RequestHead): boolean {
    return this.#bypasses.some((matches) => matches(head));
  }

  decide(forwarded: ForwardDecision, peers: CheckPeers): Decision {
    const { config, authorizer, counters } = this.#options;
    const { head } = forwarded;
    if (this.isBypassed(head)) {
      counters.bypassed++;
      return forwarded;
    }
    const subject = { peers, head, id: this.#idOf(head), nowMs: this.#options.nowMs() };
    if (config.dryRun) {
      authorizer.check(subject, (outcome) => this.#tellDryRun(outcome, head, peers));
      return forwarded;
    }
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    let outcome: CheckOutcome | undefined;
    const cancel = authorizer.check(subject, (known) => {
      outcome = known;
      resolve();
    });
    // Asked once: what follows from the answer is worked out once as well.
    const resume = (): Decision =>
      outcome === undefined ? this.#errorReply : this.#decisionOf(outcome, forwarded, peers);
    return outcome === undefined ? { action: "wait", settled, resume, cancel } : resume();
  }

  #idOf(head: RequestHead): string {
    return head.block.get("x-request-id") ?? `${Math.floor(this.#options.random() * Number.MAX_SAFE_INTEGER)}`;
  }

  #decisionOf(outcome: CheckOutcome, forwarded: ForwardDecision, peers: CheckPeers): Decision {
    switch (outcome.kind) {
      case "ok":
        return this.#allowed(outcome, forwarded) ?? this.#unsaid("its changes are no valid request", forwarded, peers);
      case "denied": {
        const reply = denialReply(outcome, forwarded.head.grpc !== "", this.#onIgnored);
        // It has denied, whatever is wrong with how it said so.
        return reply ?? denialReply({ ...outcome, fields: [], body: "" }, false, this.#onIgnored) ?? this.#errorReply;
      }
      case "timeout":
        return this.#unsaid(`it has not answered within ${this.#options.config.timeoutMs} ms`, forwarded, peers);
      case "failed":
        return this.#unsaid(outcome.reason, forwarded, peers, outcome.said);
    }
  }

  /** Undefined when what it wants changed cannot be. */
  #allowed(allowance: Allowance, forwarded: ForwardDecision): ForwardDecision | undefined {
    const head = changedRequest(forwarded.head, allowance, this.#onIgnored);
    if (head === undefined) return undefined;
    const { responseChanges } = allowance;
    if (responseChanges.length === 0) return head === forwarded.head ? forwarded : { ...forwarded, head };
    const { route } = forwarded;
    const editResponse: NonNullable<typeof route>["editResponse"] = (response) =>
      changedResponse(route?.editResponse(response) ?? response, responseChanges, this.#onIgnored);
    return { ...forwarded, head, route: { name: route?.name ?? "", editResponse } };
  }

  /** Nobody knows: closed unless the configuration says open. */
  #unsaid(reason: string, forwarded: ForwardDecision, peers: CheckPeers, said?: Said): Decision {
    const { config, counters } = this.#options;
    this.#options.onFailed(reason, peers);
    if (!config.failureModeAllow) {
      if (said === undefined) return this.#errorReply;
      const status = said.status === 0 ? config.statusOnError : said.status;
      return failureReply({ ...said, status }, forwarded.head.grpc !== "", this.#onIgnored) ?? this.#errorReply;
    }
    counters.failureModeAllowed++;
    return forwarded;
  }

  #tellDryRun(outcome: CheckOutcome, head: RequestHead, peers: CheckPeers): void {
    const { config, counters } = this.#options;
    if (outcome.kind === "ok") return;
    if (outcome.kind !== "denied") {
      this.#options.onFailed(outcome.kind === "failed" ? outcome.reason : "it is late", peers);
      if (config.failureModeAllow) return;
    }
    counters.dryRunDenials++;
    this.#options.onDryRun(peers, `${head.method} ${pathOf(head)}`);
  }
}
