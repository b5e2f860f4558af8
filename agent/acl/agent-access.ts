import { type Authorizer, unrestricted } from "../../lib/acl/authorizer.ts";
import { authorizerOf, compileRules } from "../../lib/acl/compile.ts";
import { noRules } from "../../lib/acl/policy-rules.ts";
import type { AgentAclOptions } from "../config/acl-options.ts";
import type { ResolveToken } from "./remote-resolver.ts";
import type { AgentTokenStore } from "./token-store.ts";

/**
 * What a secret may do on this agent: everything where ACLs are off. The recovery token needs no server: it opens the
 * agent's own endpoints when nothing else does.
 */
export function createAgentAccess(options: {
  readonly acl: Pick<AgentAclOptions, "isEnabled">;
  readonly tokens: AgentTokenStore;
  readonly nodeName: string;
  readonly resolve: ResolveToken;
}): ResolveToken {
  const { acl, tokens, nodeName, resolve } = options;
  if (!acl.isEnabled) return async () => unrestricted;
  const recovery = recoveryAuthorizer(nodeName);
  return async (secret) => {
    if (secret !== "" && secret === tokens.get("agent_recovery")) return recovery;
    return resolve(secret);
  };
}

function recoveryAuthorizer(nodeName: string): Authorizer {
  const rules = {
    ...noRules,
    named: [
      { resource: "agent", name: nodeName, isPrefix: false, policy: "write" },
      { resource: "node", name: "", isPrefix: true, policy: "read" },
    ] as const,
  };
  return authorizerOf(compileRules([rules], { key: "agent-recovery", defaultPolicy: "deny" }), "agent-recovery");
}
