import type { AclPolicyFields, AclRoleFields, AclTokenFields } from "../../../lib/contract/acl.ts";
import { secretHash } from "../../../server/acl/resolver.ts";

/** Records of access control with everything that a test does not speak of. */
export function aclToken(
  accessor: string,
  fields: Partial<AclTokenFields> & { readonly secret?: string } = {},
): AclTokenFields {
  const { secret = `secret of ${accessor}`, ...rest } = fields;
  return {
    AccessorID: accessor,
    SecretHash: secretHash(secret),
    Description: "",
    Policies: [],
    Roles: [],
    ServiceIdentities: [],
    NodeIdentities: [],
    TemplatedPolicies: [],
    Local: false,
    AuthMethod: "",
    CreateTime: "2026-01-01T00:00:00.000Z",
    ...rest,
  };
}

export function aclPolicy(id: string, rules: string, fields: Partial<AclPolicyFields> = {}): AclPolicyFields {
  return { ID: id, Name: `name of ${id}`, Description: "", Rules: rules, Datacenters: [], ...fields };
}

export function aclRole(id: string, fields: Partial<AclRoleFields> = {}): AclRoleFields {
  return {
    ID: id,
    Name: `name of ${id}`,
    Description: "",
    Policies: [],
    ServiceIdentities: [],
    NodeIdentities: [],
    TemplatedPolicies: [],
    ...fields,
  };
}
