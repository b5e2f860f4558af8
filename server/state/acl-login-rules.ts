import type { AclTokenFields } from "../../lib/contract/acl.ts";
import type {
  AclAuthMethodUpsert,
  AclBindingRuleUpsert,
  AclLogin,
  AclLoginCommand,
} from "../../lib/contract/acl-login.ts";
import type { CommandResult } from "../../lib/contract/commands.ts";
import type { ChangeSet } from "./change-set.ts";
import { nameProblem, refuse } from "./name-rules.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";

const applied: CommandResult = { ok: true, applied: true };

/** What the commands about logins mean. Whether an identity is who it says was found out before, by who proposed. */
export function applyAclLoginCommand(tables: Tables, changes: ChangeSet, command: AclLoginCommand): CommandResult {
  switch (command.type) {
    case "acl-auth-method-upsert":
      return upsertAuthMethod(tables, changes, command);
    case "acl-auth-method-delete":
      return deleteAuthMethod(tables, changes, command.name);
    case "acl-binding-rule-upsert":
      return upsertBindingRule(tables, changes, command);
    case "acl-binding-rule-delete": {
      const rule = tables.aclLogin.bindingRules.get(command.id);
      if (rule !== undefined) tables.aclLogin.bindingRules.remove(changes, rule);
      return applied;
    }
    case "acl-login":
      return login(tables, changes, command);
  }
}

function upsertAuthMethod(tables: Tables, changes: ChangeSet, { authMethod }: AclAuthMethodUpsert): CommandResult {
  const { authMethods } = tables.aclLogin;
  const existing = authMethods.get(authMethod.Name);
  const problem = nameProblem("Name", authMethod.Name);
  if (problem !== undefined) return problem;
  if (existing !== undefined && existing.Type !== authMethod.Type) {
    return refuse("INVALID_ARGUMENT", "the Type field of an Auth Method is immutable");
  }
  const record = upserted(existing, authMethod, changes.index);
  if (record !== undefined) authMethods.put(changes, record);
  return applied;
}

function deleteAuthMethod(tables: Tables, changes: ChangeSet, name: string): CommandResult {
  const { authMethods, bindingRules } = tables.aclLogin;
  const method = authMethods.get(name);
  if (method === undefined) return applied;
  for (const rule of [...bindingRules.ofAuthMethod(name)]) bindingRules.remove(changes, rule);
  for (const token of [...tables.acl.tokens.ofAuthMethod(name)]) tables.acl.tokens.remove(changes, token);
  authMethods.remove(changes, method);
  return applied;
}

function upsertBindingRule(tables: Tables, changes: ChangeSet, { rule, isNew }: AclBindingRuleUpsert): CommandResult {
  const { authMethods, bindingRules } = tables.aclLogin;
  const existing = bindingRules.get(rule.ID);
  const problem = nameProblem("ID", rule.ID);
  if (problem !== undefined) return problem;
  if (!isNew && existing === undefined) return refuse("NOT_FOUND", `cannot find binding rule ${rule.ID}`);
  if (existing !== undefined && existing.AuthMethod !== rule.AuthMethod) {
    return refuse("INVALID_ARGUMENT", "the AuthMethod field of an Binding Rule is immutable");
  }
  if (authMethods.get(rule.AuthMethod) === undefined) {
    return refuse("INVALID_ARGUMENT", `cannot find auth method with name "${rule.AuthMethod}"`);
  }
  const record = upserted(existing, rule, changes.index);
  if (record !== undefined) bindingRules.put(changes, record);
  return applied;
}

function login(tables: Tables, changes: ChangeSet, { token, methodIndex }: AclLogin): CommandResult {
  const { tokens, policies, roles } = tables.acl;
  const method = tables.aclLogin.authMethods.get(token.AuthMethod);
  if (method?.ModifyIndex !== methodIndex) return { ok: true, applied: false };
  const granted: AclTokenFields = {
    ...token,
    Policies: token.Policies.filter((id) => policies.get(id) !== undefined),
    Roles: token.Roles.filter((id) => roles.get(id) !== undefined),
  };
  if (!grantsAnything(granted)) return { ok: true, applied: false };
  const isTaken = tokens.get(token.AccessorID) !== undefined || tokens.bySecretHash(token.SecretHash) !== undefined;
  if (isTaken) return refuse("CONFLICT", "another token has this accessor or secret");
  tokens.put(changes, { ...granted, CreateIndex: changes.index, ModifyIndex: changes.index });
  return applied;
}

/** Whether a token would be of any use. */
export function grantsAnything(
  token: Pick<AclTokenFields, "Policies" | "Roles" | "ServiceIdentities" | "NodeIdentities" | "TemplatedPolicies">,
): boolean {
  const { Policies, Roles, ServiceIdentities, NodeIdentities, TemplatedPolicies } = token;
  return [Policies, Roles, ServiceIdentities, NodeIdentities, TemplatedPolicies].some((list) => list.length > 0);
}
