import { createHash } from "node:crypto";
import { policyTemplate, type PolicyTemplate } from "../../lib/acl/templates.ts";
import type { AclPolicyRecord, AclRoleFields, AclRoleRecord, AclTokenRecord } from "../../lib/contract/acl.ts";
import type { AclRecords } from "../state/acl-reads.ts";

/** What is shown in the place of a secret: only its hash is kept. The same word with which Consul hides one. */
export const hiddenSecret = "<hidden>";

/** Consul's JSON of a token; empty links are left out. */
export function tokenAnswer(token: AclTokenRecord, records: AclRecords, secret = hiddenSecret): object {
  return {
    AccessorID: token.AccessorID,
    SecretID: secret,
    Description: token.Description,
    ...grantsAnswer(token, records),
    ...listed("Roles", links(token.Roles, records.roles)),
    Local: token.Local,
    ...(token.AuthMethod !== "" && { AuthMethod: token.AuthMethod }),
    ...(token.ExpirationTime !== undefined && { ExpirationTime: token.ExpirationTime }),
    CreateTime: token.CreateTime,
    Hash: contentHash(token),
    CreateIndex: token.CreateIndex,
    ModifyIndex: token.ModifyIndex,
  };
}

export function policyAnswer(policy: AclPolicyRecord): object {
  const { ID, Name, Description, Rules } = policy;
  return { ID, Name, Description, Rules, ...policyRest(policy) };
}

/** In lists a policy comes without its rules. */
export function policyStubAnswer(policy: AclPolicyRecord): object {
  const { ID, Name, Description } = policy;
  return { ID, Name, Description, ...policyRest(policy) };
}

function policyRest(policy: AclPolicyRecord): object {
  const { CreateIndex, ModifyIndex } = policy;
  return { ...listed("Datacenters", policy.Datacenters), Hash: contentHash(policy), CreateIndex, ModifyIndex };
}

export function roleAnswer(role: AclRoleRecord, records: AclRecords): object {
  return {
    ID: role.ID,
    Name: role.Name,
    Description: role.Description,
    ...grantsAnswer(role, records),
    Hash: contentHash(role),
    CreateIndex: role.CreateIndex,
    ModifyIndex: role.ModifyIndex,
  };
}

export function templateAnswer(template: PolicyTemplate): object {
  return {
    TemplateName: template.name,
    Schema: template.takesName ? nameSchema : "",
    Template: template.template,
    Description: template.description,
  };
}

const nameSchema = JSON.stringify({
  type: "object",
  properties: { name: { type: "string", $ref: "#/definitions/min-length-one" } },
  required: ["name"],
  definitions: { "min-length-one": { type: "string", minLength: 1 } },
});

function grantsAnswer(
  grant: Pick<AclRoleFields, "Policies" | "ServiceIdentities" | "NodeIdentities" | "TemplatedPolicies">,
  records: AclRecords,
): object {
  return {
    ...listed("Policies", links(grant.Policies, records.policies)),
    ...listed(
      "ServiceIdentities",
      grant.ServiceIdentities.map(({ ServiceName, Datacenters }) => ({
        ServiceName,
        ...listed("Datacenters", Datacenters),
      })),
    ),
    ...listed("NodeIdentities", grant.NodeIdentities),
    ...listed(
      "TemplatedPolicies",
      grant.TemplatedPolicies.map(({ TemplateName, Name, Datacenters }) => ({
        TemplateName,
        ...(policyTemplate(TemplateName)?.takesName === true && { TemplateVariables: { Name } }),
        ...listed("Datacenters", Datacenters),
      })),
    ),
  };
}

/** What is gone is no link any more. */
function links(
  ids: readonly string[],
  records: { get(id: string): { readonly ID: string; readonly Name: string } | undefined },
): readonly object[] {
  return ids.flatMap((id) => {
    const found = records.get(id);
    return found === undefined ? [] : [{ ID: found.ID, Name: found.Name }];
  });
}

function listed(name: string, list: readonly unknown[]): object {
  return list.length === 0 ? {} : { [name]: list };
}

/** Differs when the record does; Consul's has another function behind it. */
function contentHash(record: object): string {
  const fields = Object.entries(record).filter(
    ([name]) => !["SecretHash", "CreateIndex", "ModifyIndex"].includes(name),
  );
  return createHash("sha256").update(JSON.stringify(fields)).digest("base64");
}
