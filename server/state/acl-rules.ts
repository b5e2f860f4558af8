import {
  type AclPolicyFields,
  type AclPolicyRecord,
  type AclTokenFields,
  anonymousAccessorId,
  builtinPolicies,
  globalManagementId,
} from "../../lib/contract/acl.ts";
import type {
  AclBootstrap,
  AclCommand,
  AclInitialize,
  AclPolicyUpsert,
  AclRoleUpsert,
  AclTokenDelete,
  AclTokenUpsert,
} from "../../lib/contract/acl-commands.ts";
import type { CommandResult } from "../../lib/contract/commands.ts";
import type { ChangeSet } from "./change-set.ts";
import { nameProblem, type Refusal, refuse } from "./name-rules.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";

const applied: CommandResult = { ok: true, applied: true };

/**
 * What the commands of access control mean. The form of fields was judged at the edge; here is what depends on what else
 * is there: names that are taken, links to nothing, records that must stay.
 */
export function applyAclCommand(tables: Tables, changes: ChangeSet, command: AclCommand): CommandResult {
  switch (command.type) {
    case "acl-initialize":
      return initialize(tables, changes, command);
    case "acl-bootstrap":
      return bootstrap(tables, changes, command);
    case "acl-token-upsert":
      return upsertToken(tables, changes, command);
    case "acl-token-delete":
      return deleteTokens(tables, changes, command);
    case "acl-policy-upsert":
      return upsertPolicy(tables, changes, command);
    case "acl-policy-delete":
      return deletePolicy(tables, changes, command.id);
    case "acl-role-upsert":
      return upsertRole(tables, changes, command);
    case "acl-role-delete": {
      const role = tables.acl.roles.get(command.id);
      if (role !== undefined) tables.acl.roles.remove(changes, role);
      return applied;
    }
  }
}

function initialize(tables: Tables, changes: ChangeSet, command: AclInitialize): CommandResult {
  const { policies, tokens } = tables.acl;
  for (const policy of builtinPolicies) {
    const taken = policies.byName(policy.Name);
    if (policies.get(policy.ID) !== undefined || taken !== undefined) continue;
    policies.put(changes, { ...policy, CreateIndex: changes.index, ModifyIndex: changes.index });
  }
  if (tokens.get(anonymousAccessorId) === undefined) {
    putToken(tables, changes, {
      ...plainToken(command.time),
      AccessorID: anonymousAccessorId,
      // Of no secret: who has none is meant.
      SecretHash: anonymousAccessorId,
      Description: "Anonymous Token",
    });
  }
  const { initialManagement } = command;
  if (initialManagement !== undefined && tokens.bySecretHash(initialManagement.secretHash) === undefined) {
    putToken(tables, changes, {
      ...plainToken(command.time),
      AccessorID: initialManagement.accessorId,
      SecretHash: initialManagement.secretHash,
      Description: "Initial Management Token",
      Policies: [globalManagementId],
    });
    // As Consul has it: who sets the first token himself has bootstrapped.
    if (tables.acl.bootstrap.get() === undefined) {
      const AccessorID = initialManagement.accessorId;
      tables.acl.bootstrap.put(changes, { AccessorID, CreateIndex: changes.index, ModifyIndex: changes.index });
    }
  }
  return applied;
}

function plainToken(time: string): Omit<AclTokenFields, "AccessorID" | "SecretHash" | "Description"> {
  return {
    Policies: [],
    Roles: [],
    ServiceIdentities: [],
    NodeIdentities: [],
    TemplatedPolicies: [],
    Local: false,
    AuthMethod: "",
    CreateTime: time,
  };
}

function bootstrap(tables: Tables, changes: ChangeSet, command: AclBootstrap): CommandResult {
  const { bootstrap: done, tokens } = tables.acl;
  const before = done.get();
  if (before !== undefined && before.ModifyIndex !== command.resetIndex) return { ok: true, applied: false };
  if (tokens.bySecretHash(command.token.SecretHash) !== undefined) return secretInUse();
  putToken(tables, changes, command.token);
  done.put(changes, {
    AccessorID: command.token.AccessorID,
    CreateIndex: before?.CreateIndex ?? changes.index,
    ModifyIndex: changes.index,
  });
  return applied;
}

function upsertToken(tables: Tables, changes: ChangeSet, { token, isNew }: AclTokenUpsert): CommandResult {
  const { tokens } = tables.acl;
  const existing = tokens.get(token.AccessorID);
  const problem = nameProblem("AccessorID", token.AccessorID) ?? linkProblem(tables, token);
  if (problem !== undefined) return problem;
  if (!isNew) {
    if (existing === undefined) return refuse("NOT_FOUND", "Cannot find token to update");
    const { SecretHash, ExpirationTime, AuthMethod, Local, CreateTime } = existing;
    const { ExpirationTime: _given, ...fields } = token;
    const kept = { SecretHash, AuthMethod, Local, CreateTime, ...(ExpirationTime !== undefined && { ExpirationTime }) };
    putToken(tables, changes, { ...fields, ...kept });
    return applied;
  }
  if (existing !== undefined) return refuse("INVALID_ARGUMENT", "Provided AccessorID is already in use");
  if (tokens.bySecretHash(token.SecretHash) !== undefined) return secretInUse();
  putToken(tables, changes, token);
  return applied;
}

function secretInUse(): Refusal {
  return refuse("INVALID_ARGUMENT", "Provided SecretID is already in use");
}

function putToken(tables: Tables, changes: ChangeSet, token: AclTokenFields): void {
  const { tokens } = tables.acl;
  const record = upserted(tokens.get(token.AccessorID), token, changes.index);
  if (record !== undefined) tokens.put(changes, record);
}

function deleteTokens(tables: Tables, changes: ChangeSet, { accessorIds }: AclTokenDelete): CommandResult {
  const { tokens } = tables.acl;
  if (accessorIds.includes(anonymousAccessorId)) {
    return refuse("INVALID_ARGUMENT", "Delete operation not permitted on the anonymous token");
  }
  for (const id of accessorIds) {
    const token = tokens.get(id);
    if (token !== undefined) tokens.remove(changes, token);
  }
  return applied;
}

function upsertPolicy(tables: Tables, changes: ChangeSet, { policy, isNew }: AclPolicyUpsert): CommandResult {
  const { policies } = tables.acl;
  const existing = policies.get(policy.ID);
  const problem =
    nameProblem("ID", policy.ID) ??
    nameProblem("Name", policy.Name) ??
    (isNew ? undefined : missing(existing, `policy ${policy.ID}`)) ??
    nameTaken(policies.byName(policy.Name), policy, "Policy") ??
    builtinProblem(existing, policy);
  if (problem !== undefined) return problem;
  const record = upserted(existing, policy, changes.index);
  if (record !== undefined) policies.put(changes, record);
  return applied;
}

function builtinProblem(existing: AclPolicyRecord | undefined, policy: AclPolicyFields): Refusal | undefined {
  const builtin = builtinPolicies.find((one) => one.ID === existing?.ID);
  if (existing === undefined || builtin === undefined) return undefined;
  const what = `the builtin ${builtin.Name.replace("builtin/", "")} policy`;
  if (policy.Rules !== existing.Rules) {
    return refuse("INVALID_ARGUMENT", `Changing the Rules for ${what} is not permitted`);
  }
  if (policy.Datacenters.length > 0) {
    return refuse("INVALID_ARGUMENT", `Changing the Datacenters of ${what} is not permitted`);
  }
  return undefined;
}

function deletePolicy(tables: Tables, changes: ChangeSet, id: string): CommandResult {
  const builtin = builtinPolicies.find((policy) => policy.ID === id);
  if (builtin !== undefined) {
    const name = builtin.Name.replace("builtin/", "");
    return refuse("INVALID_ARGUMENT", `Delete operation not permitted on the builtin ${name} policy`);
  }
  const policy = tables.acl.policies.get(id);
  if (policy !== undefined) tables.acl.policies.remove(changes, policy);
  return applied;
}

function upsertRole(tables: Tables, changes: ChangeSet, { role, isNew }: AclRoleUpsert): CommandResult {
  const { roles } = tables.acl;
  const existing = roles.get(role.ID);
  const problem =
    nameProblem("ID", role.ID) ??
    nameProblem("Name", role.Name) ??
    (isNew ? undefined : missing(existing, `role ${role.ID}`)) ??
    nameTaken(roles.byName(role.Name), role, "Role") ??
    linkProblem(tables, role);
  if (problem !== undefined) return problem;
  const record = upserted(existing, role, changes.index);
  if (record !== undefined) roles.put(changes, record);
  return applied;
}

function missing(existing: object | undefined, what: string): Refusal | undefined {
  return existing === undefined ? refuse("NOT_FOUND", `cannot find ${what}`) : undefined;
}

function nameTaken(
  holder: { readonly ID: string } | undefined,
  record: { readonly ID: string; readonly Name: string },
  what: "Policy" | "Role",
): Refusal | undefined {
  if (holder === undefined || holder.ID === record.ID) return undefined;
  return refuse("INVALID_ARGUMENT", `Invalid ${what}: A ${what} with Name "${record.Name}" already exists`);
}

/** What was read when the command was made may be gone since. */
function linkProblem(
  tables: Tables,
  links: Pick<AclTokenFields, "Policies"> & Partial<Pick<AclTokenFields, "Roles">>,
): Refusal | undefined {
  const policy = links.Policies.find((id) => tables.acl.policies.get(id) === undefined);
  if (policy !== undefined) return refuse("INVALID_ARGUMENT", `No such ACL policy with ID "${policy}"`);
  const role = links.Roles?.find((id) => tables.acl.roles.get(id) === undefined);
  if (role !== undefined) return refuse("INVALID_ARGUMENT", `No such ACL role with ID "${role}"`);
  return undefined;
}
