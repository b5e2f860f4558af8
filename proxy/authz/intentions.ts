import type { IntentionsConfig } from "../../lib/contract/proxy-config.ts";
import { compileSpiffePattern } from "../../lib/contract/spiffe.ts";
import { mustGet } from "../../lib/base/assert.ts";

/** The outcome for one caller and the rule that decided, as `rules[2] (spiffe://...)` or `default`. */
export interface Verdict {
  readonly isAllowed: boolean;
  readonly rule: string;
}

/** Compiled L4 intentions: the first rule whose pattern matches the caller's SPIFFE URI decides, else the default. */
export type Authorizer = (callerUri: string) => Verdict;

export function compileIntentions(config: IntentionsConfig): Authorizer {
  const rules = config.rules.map((rule, index) => ({
    matches: mustGet(compileSpiffePattern(rule.source), "intention patterns are checked when the document is parsed"),
    verdict: { isAllowed: rule.action === "allow", rule: `rules[${index}] (${rule.source})` },
  }));
  const fallback: Verdict = { isAllowed: config.default === "allow", rule: "default" };
  return (callerUri) => rules.find((rule) => rule.matches(callerUri))?.verdict ?? fallback;
}
