import { nodeIdentityRules, policyTemplate, renderTemplate, serviceIdentityRules } from "../../lib/acl/templates.ts";
import type { AclRoleFields, AclTokenFields } from "../../lib/contract/acl.ts";
import type { AclRecords } from "../state/acl-reads.ts";

/** One policy of a token: its own, a role's, or what an identity stands for. */
export interface GrantedPolicy {
  /** Other rules have another key. */
  readonly key: string;
  readonly name: string;
  readonly rules: string;
}

/** Where links to policies and identities are. */
type Granting = Pick<AclRoleFields, "Policies" | "ServiceIdentities" | "NodeIdentities" | "TemplatedPolicies">;

/** The policies of a token that hold in `datacenter`, each once and in the order of their keys. What is gone grants nothing. */
export function policiesOf(token: AclTokenFields, records: AclRecords, datacenter: string): readonly GrantedPolicy[] {
  const found = new Map<string, GrantedPolicy>();
  const grants: readonly Granting[] = [token, ...token.Roles.flatMap((id) => records.roles.get(id) ?? [])];
  for (const grant of grants) {
    for (const policy of grantedBy(grant, records, datacenter)) found.set(policy.key, policy);
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function grantedBy(grant: Granting, records: AclRecords, datacenter: string): readonly GrantedPolicy[] {
  const holds = (datacenters: readonly string[]): boolean =>
    datacenters.length === 0 || datacenters.includes(datacenter);
  return [
    ...grant.Policies.flatMap((id) => {
      const policy = records.policies.get(id);
      if (policy === undefined || !holds(policy.Datacenters)) return [];
      return [{ key: `${policy.ID}@${policy.ModifyIndex}`, name: policy.Name, rules: policy.Rules }];
    }),
    ...grant.ServiceIdentities.filter((one) => holds(one.Datacenters)).map((one) => ({
      key: `service:${one.ServiceName}`,
      name: `synthetic-policy-service-${one.ServiceName}`,
      rules: serviceIdentityRules(one),
    })),
    ...grant.NodeIdentities.filter((one) => one.Datacenter === datacenter).map((one) => ({
      key: `node:${one.NodeName}`,
      name: `synthetic-policy-node-${one.NodeName}`,
      rules: nodeIdentityRules(one),
    })),
    ...grant.TemplatedPolicies.filter((one) => holds(one.Datacenters)).flatMap((one) => {
      const template = policyTemplate(one.TemplateName);
      if (template === undefined) return [];
      const key = `${one.TemplateName}:${one.Name}`;
      return [{ key, name: `synthetic-policy-${key}`, rules: renderTemplate(template, one.Name) }];
    }),
  ];
}
