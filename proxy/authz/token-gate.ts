import { mustGet } from "../../lib/base/assert.ts";
import type { IntentionsConfig } from "../../lib/contract/proxy-intentions.ts";
import type { Verdict } from "../message/verdict.ts";
import type { CallerRules } from "./intentions.ts";
import type { JwtVerifier, TokenProblem } from "./jwt/verifier.ts";

/**
 * What every request must show beside what the rules say of it. Whom the rules deny is not asked for a token: nobody makes us verify
 * one who may not call at all.
 */
export function tokenGate(
  { jwt: required, dryRun }: IntentionsConfig,
  jwt: JwtVerifier | undefined,
): (rules: CallerRules) => CallerRules {
  if (required === undefined) return (rules) => rules;
  const verifier = mustGet(jwt, "required providers are checked when the document is parsed");
  const refused: Record<TokenProblem, Verdict> = {
    jwt_missing: { isAllowed: dryRun, rule: "jwt", isDryRun: dryRun, problem: "jwt_missing" },
    jwt_invalid: { isAllowed: dryRun, rule: "jwt", isDryRun: dryRun, problem: "jwt_invalid" },
    jwks_unavailable: { isAllowed: dryRun, rule: "jwt", isDryRun: dryRun, problem: "jwks_unavailable" },
    jwt_claims: { isAllowed: dryRun, rule: "jwt", isDryRun: dryRun },
  };
  return ({ connection, request }) => ({
    // Without requests there is no token.
    connection: connection.isAllowed ? refused.jwt_missing : connection,
    hasTokens: true,
    request: (head) => {
      const judged = request?.(head) ?? connection;
      if ("settled" in judged || !judged.isAllowed) return judged;
      const state = verifier.check(head, required);
      if (state.kind === "pending") return state;
      return state.kind === "valid" ? judged : refused[state.problem];
    },
  });
}
