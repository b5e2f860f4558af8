import type { AclTokenRecord } from "../../lib/contract/acl.ts";
import type { AclResolver } from "../acl/resolver.ts";
import type { AclRecords } from "../state/acl-reads.ts";
import { policyAnswer, roleAnswer } from "./acl-answers.ts";

/** What `?expanded` adds to a token: every policy and role in full, those that identities stand for included. */
export function expandedAnswer(
  token: AclTokenRecord,
  { acl, records }: { readonly acl: Pick<AclResolver, "policies" | "settings">; readonly records: AclRecords },
): object {
  const roles = token.Roles.flatMap((id) => records.roles.get(id) ?? []);
  const linked = [...new Set([...token.Policies, ...roles.flatMap((role) => role.Policies)])];
  const stored = linked.flatMap((id) => records.policies.get(id) ?? []);
  const synthetic = acl.policies(token).filter(({ name }) => name.startsWith("synthetic-policy-"));
  return {
    ExpandedPolicies: [
      ...stored.map(policyAnswer),
      ...synthetic.map(({ name, rules }) => ({ ID: "", Name: name, Description: "", Rules: rules })),
    ],
    ExpandedRoles: roles.map((role) => roleAnswer(role, records)),
    NamespaceDefaultPolicyIDs: null,
    NamespaceDefaultRoleIDs: null,
    AgentACLDefaultPolicy: acl.settings.defaultPolicy,
    AgentACLDownPolicy: "extend-cache",
    ResolvedByAgent: "",
  };
}
