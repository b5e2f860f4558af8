import { mustGet } from "../../lib/base/assert.ts";
import type { IntentionRuleConfig, IntentionsConfig, PermissionConfig } from "../../lib/contract/proxy-intentions.ts";
import { compileSpiffePattern } from "../../lib/contract/spiffe.ts";
import { compileConditions } from "../match/request-match.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { PendingVerdict, Verdict } from "../message/verdict.ts";
import type { JwtVerifier } from "./jwt/verifier.ts";
import { tokenGate } from "./token-gate.ts";

/** What the rules say of one caller; the same object for all callers that the same rule decides about. */
export interface CallerRules {
  /** Of a connection whose requests are not read: there, permissions cannot be granted. */
  readonly connection: Verdict;
  /** Of each request; absent when all of them are judged as the connection is. */
  readonly request?: (head: RequestHead) => Verdict | PendingVerdict;
  /** A token is part of it, which expires: a verdict is never kept. */
  readonly hasTokens?: boolean;
}

/** Compiled intentions: the first rule whose pattern matches the caller's SPIFFE URI decides, else the default. */
export type Authorizer = (callerUri: string) => CallerRules;

/** The verifier is that of the providers beside the intentions; a document that names one has it. */
export function compileIntentions(config: IntentionsConfig, jwt?: JwtVerifier): Authorizer {
  const guarded = tokenGate(config, jwt);
  const fallback = guarded({ connection: verdict(config.default, "default", config.dryRun) });
  const rules = config.rules.map((rule, index) => ({
    matches: mustGet(compileSpiffePattern(rule.source), "intention patterns are checked when the document is parsed"),
    decides: guarded(compileRule(rule, { index, config, jwt })),
  }));
  return (callerUri) => rules.find((rule) => rule.matches(callerUri))?.decides ?? fallback;
}

interface RuleContext {
  readonly index: number;
  readonly config: IntentionsConfig;
  readonly jwt: JwtVerifier | undefined;
}

function compileRule(rule: IntentionRuleConfig, { index, config, jwt }: RuleContext): CallerRules {
  const isDryRun = config.dryRun || rule.dryRun;
  const { source, action, permissions } = rule;
  if (permissions === undefined) {
    const decided = mustGet(action, "a rule without permissions has an action");
    return { connection: verdict(decided, `rules[${index}] (${source})`, isDryRun) };
  }
  const compiled = permissions.map((permission, i) => ({
    matches: compilePermission(permission, jwt),
    verdict: verdict(permission.action, `rules[${index}].permissions[${i}] (${source})`, isDryRun),
  }));
  const unmatched = verdict(config.default, `default, no permission of rules[${index}] (${source})`, isDryRun);
  return {
    connection: verdict("deny", `rules[${index}] (${source})`, isDryRun),
    hasTokens: permissions.some((permission) => permission.jwt !== undefined),
    request: (head) => {
      for (const permission of compiled) {
        const isMatch = permission.matches(head);
        if (typeof isMatch === "object") return isMatch;
        if (isMatch) return permission.verdict;
      }
      return unmatched;
    },
  };
}

/**
 * Where an application might read the request differently, it counts as the reading that is denied. So does a token that is there and
 * cannot be verified.
 */
function compilePermission(
  { action, jwt: required, ...conditions }: PermissionConfig,
  jwt: JwtVerifier | undefined,
): (head: RequestHead) => boolean | PendingVerdict {
  const isDenial = action === "deny";
  const matches = compileConditions(conditions, isDenial ? "matches" : "fails");
  if (required === undefined) return matches;
  const verifier = mustGet(jwt, "required providers are checked when the document is parsed");
  return (head) => {
    if (!matches(head)) return false;
    const state = verifier.check(head, required);
    if (state.kind === "pending") return state;
    if (state.kind === "valid") return true;
    return isDenial && (state.problem === "jwt_invalid" || state.problem === "jwks_unavailable");
  };
}

function verdict(action: "allow" | "deny", rule: string, isTriedOut: boolean): Verdict {
  const isDryRun = isTriedOut && action === "deny";
  return { isAllowed: action === "allow" || isDryRun, rule, isDryRun };
}

/** A repeated request is judged once: then this costs a comparison of pointers. */
export function judgeRequest(rules: CallerRules, head: RequestHead): Verdict | PendingVerdict {
  if (rules.request === undefined) return rules.connection;
  const { block } = head;
  if (block.judgedBy === rules && block.verdict !== undefined) return block.verdict;
  const judged = rules.request(head);
  if (block.isShared && rules.hasTokens !== true && !("settled" in judged)) {
    block.verdict = judged;
    block.judgedBy = rules;
  }
  return judged;
}
