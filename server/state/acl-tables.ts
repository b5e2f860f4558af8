import type { AclBootstrapRecord, AclPolicyRecord, AclRoleRecord, AclTokenRecord } from "../../lib/contract/acl.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import type { RowTable } from "./row-change.ts";
import { watchKeys } from "./watch-keys.ts";

/** Tokens by accessor and by the hash of their secret. */
export interface AclTokenTable {
  get(accessorId: string): AclTokenRecord | undefined;
  bySecretHash(hash: string): AclTokenRecord | undefined;
  /** Made by logins of one auth method. */
  ofAuthMethod(name: string): Iterable<AclTokenRecord>;
  /** Those that expire some day. */
  expiring(): Iterable<AclTokenRecord>;
  put(changes: ChangeSet, record: AclTokenRecord): void;
  remove(changes: ChangeSet, record: AclTokenRecord): void;
  load(record: AclTokenRecord): void;
  all(): Iterable<AclTokenRecord>;
}

/** Policies or roles: an id that never changes and a name that nobody else has. */
export interface NamedAclTable<T> {
  get(id: string): T | undefined;
  byName(name: string): T | undefined;
  put(changes: ChangeSet, record: T): void;
  remove(changes: ChangeSet, record: T): void;
  load(record: T): void;
  all(): Iterable<T>;
}

export interface AclTables {
  readonly tokens: AclTokenTable;
  readonly policies: NamedAclTable<AclPolicyRecord>;
  readonly roles: NamedAclTable<AclRoleRecord>;
  readonly bootstrap: AclBootstrapTable;
}

export interface AclBootstrapTable {
  get(): AclBootstrapRecord | undefined;
  put(changes: ChangeSet, record: AclBootstrapRecord): void;
  load(record: AclBootstrapRecord): void;
}

export const aclBootstrapKey = "acl-bootstrap";

export function createAclTables(indexes: IndexTable): AclTables {
  return {
    tokens: createTokenTable(indexes),
    policies: createNamedTable(indexes, { table: "acl-policies", watchKey: watchKeys.aclPolicies }),
    roles: createNamedTable(indexes, { table: "acl-roles", watchKey: watchKeys.aclRoles }),
    bootstrap: createBootstrapTable(),
  };
}

function createTokenTable(indexes: IndexTable): AclTokenTable {
  const byAccessor = new Map<string, AclTokenRecord>();
  const byHash = new Map<string, AclTokenRecord>();
  const byMethod = createMultiMap<AclTokenRecord>();
  const expiring = new Set<AclTokenRecord>();

  const unlink = (record: AclTokenRecord): void => {
    byAccessor.delete(record.AccessorID);
    byHash.delete(record.SecretHash);
    if (record.AuthMethod !== "") byMethod.remove(record.AuthMethod, record);
    expiring.delete(record);
  };
  const link = (record: AclTokenRecord): void => {
    byAccessor.set(record.AccessorID, record);
    byHash.set(record.SecretHash, record);
    if (record.AuthMethod !== "") byMethod.add(record.AuthMethod, record);
    if (record.ExpirationTime !== undefined) expiring.add(record);
  };

  return {
    get: (accessorId) => byAccessor.get(accessorId),
    bySecretHash: (hash) => byHash.get(hash),
    ofAuthMethod: byMethod.get,
    expiring: () => expiring,
    all: () => byAccessor.values(),
    load: link,
    put(changes, record) {
      const previous = byAccessor.get(record.AccessorID);
      if (previous !== undefined) unlink(previous);
      link(record);
      changes.put("acl-tokens", record.AccessorID, record);
      indexes.touch(changes, watchKeys.aclTokens);
    },
    remove(changes, record) {
      unlink(record);
      changes.remove("acl-tokens", record.AccessorID);
      indexes.touch(changes, watchKeys.aclTokens);
    },
  };
}

function createNamedTable<T extends { readonly ID: string; readonly Name: string }>(
  indexes: IndexTable,
  { table, watchKey }: { readonly table: RowTable; readonly watchKey: string },
): NamedAclTable<T> {
  const byId = new Map<string, T>();
  const byName = new Map<string, T>();

  const unlink = (record: T): void => {
    byId.delete(record.ID);
    byName.delete(record.Name);
  };
  const link = (record: T): void => {
    byId.set(record.ID, record);
    byName.set(record.Name, record);
  };

  return {
    get: (id) => byId.get(id),
    byName: (name) => byName.get(name),
    all: () => byId.values(),
    load: link,
    put(changes, record) {
      const previous = byId.get(record.ID);
      if (previous !== undefined) unlink(previous);
      link(record);
      changes.put(table, record.ID, record);
      indexes.touch(changes, watchKey);
    },
    remove(changes, record) {
      unlink(record);
      changes.remove(table, record.ID);
      indexes.touch(changes, watchKey);
    },
  };
}

function createBootstrapTable(): AclBootstrapTable {
  let bootstrap: AclBootstrapRecord | undefined;
  return {
    get: () => bootstrap,
    load: (record) => {
      bootstrap = record;
    },
    put(changes, record) {
      bootstrap = record;
      changes.put("settings", aclBootstrapKey, record);
    },
  };
}
