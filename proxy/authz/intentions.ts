import { mustGet } from "../../lib/base/assert.ts";
import type { IntentionRuleConfig, IntentionsConfig, PermissionConfig } from "../../lib/contract/proxy-intentions.ts";
import { compileSpiffePattern } from "../../lib/contract/spiffe.ts";
import { compileConditions } from "../match/request-match.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { Verdict } from "../message/verdict.ts";

/** What the rules say of one caller; the same object for all callers that the same rule decides about. */
export interface CallerRules {
  /** Of a connection whose requests are not read: there, permissions cannot be granted. */
  readonly connection: Verdict;
  /** Of each request; absent when all of them are judged as the connection is. */
  readonly request?: (head: RequestHead) => Verdict;
}

/** Compiled intentions: the first rule whose pattern matches the caller's SPIFFE URI decides, else the default. */
export type Authorizer = (callerUri: string) => CallerRules;

export function compileIntentions(config: IntentionsConfig): Authorizer {
  const fallback: CallerRules = { connection: verdict(config.default, "default", config.dryRun) };
  const rules = config.rules.map((rule, index) => ({
    matches: mustGet(compileSpiffePattern(rule.source), "intention patterns are checked when the document is parsed"),
    decides: compileRule(rule, { index, config }),
  }));
  return (callerUri) => rules.find((rule) => rule.matches(callerUri))?.decides ?? fallback;
}

function compileRule(
  rule: IntentionRuleConfig,
  { index, config }: { readonly index: number; readonly config: IntentionsConfig },
): CallerRules {
  const isDryRun = config.dryRun || rule.dryRun;
  const { source, action, permissions } = rule;
  if (permissions === undefined) {
    const decided = mustGet(action, "a rule without permissions has an action");
    return { connection: verdict(decided, `rules[${index}] (${source})`, isDryRun) };
  }
  const compiled = permissions.map((permission, i) => ({
    matches: compilePermission(permission),
    verdict: verdict(permission.action, `rules[${index}].permissions[${i}] (${source})`, isDryRun),
  }));
  const unmatched = verdict(config.default, `default, no permission of rules[${index}] (${source})`, isDryRun);
  return {
    connection: verdict("deny", `rules[${index}] (${source})`, isDryRun),
    request: (head) => compiled.find((permission) => permission.matches(head))?.verdict ?? unmatched,
  };
}

/** Where an application might read the request differently, it counts as the reading that is denied. */
function compilePermission({ action, ...conditions }: PermissionConfig): (head: RequestHead) => boolean {
  return compileConditions(conditions, action === "deny" ? "matches" : "fails");
}

function verdict(action: "allow" | "deny", rule: string, isTriedOut: boolean): Verdict {
  const isDryRun = isTriedOut && action === "deny";
  return { isAllowed: action === "allow" || isDryRun, rule, isDryRun };
}

/** A repeated request is judged once: then this costs a comparison of pointers. */
export function judgeRequest(rules: CallerRules, head: RequestHead): Verdict {
  if (rules.request === undefined) return rules.connection;
  const { block } = head;
  if (block.judgedBy === rules && block.verdict !== undefined) return block.verdict;
  const judged = rules.request(head);
  if (block.isShared) {
    block.verdict = judged;
    block.judgedBy = rules;
  }
  return judged;
}
