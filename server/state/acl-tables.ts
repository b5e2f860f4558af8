import type { AclBootstrapRecord, AclPolicyRecord, AclRoleRecord, AclTokenRecord } from "../../lib/contract/acl.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { createRecordTable, type RecordTable } from "./record-table.ts";
import type { RowTable } from "./row-change.ts";
import { watchKeys } from "./watch-keys.ts";

/** Tokens by accessor and by the hash of their secret. */
export interface AclTokenTable extends RecordTable<AclTokenRecord> {
  bySecretHash(hash: string): AclTokenRecord | undefined;
  /** Made by logins of one auth method. */
  ofAuthMethod(name: string): Iterable<AclTokenRecord>;
  /** Those that expire some day. */
  expiring(): Iterable<AclTokenRecord>;
}

/** Policies or roles: an id that never changes and a name that nobody else has. */
export interface NamedAclTable<T> extends RecordTable<T> {
  byName(name: string): T | undefined;
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
  const byHash = new Map<string, AclTokenRecord>();
  const byMethod = createMultiMap<AclTokenRecord>();
  const expiring = new Set<AclTokenRecord>();
  const table = createRecordTable<AclTokenRecord>(indexes, {
    table: "acl-tokens",
    watchKey: watchKeys.aclTokens,
    keyOf: ({ AccessorID }) => AccessorID,
    secondary: [
      {
        add(record) {
          byHash.set(record.SecretHash, record);
          if (record.AuthMethod !== "") byMethod.add(record.AuthMethod, record);
          if (record.ExpirationTime !== undefined) expiring.add(record);
        },
        remove(record) {
          byHash.delete(record.SecretHash);
          if (record.AuthMethod !== "") byMethod.remove(record.AuthMethod, record);
          expiring.delete(record);
        },
      },
    ],
  });
  return {
    ...table,
    bySecretHash: (hash) => byHash.get(hash),
    ofAuthMethod: byMethod.get,
    expiring: () => expiring,
  };
}

function createNamedTable<T extends { readonly ID: string; readonly Name: string }>(
  indexes: IndexTable,
  names: { readonly table: RowTable; readonly watchKey: string },
): NamedAclTable<T> {
  const byName = new Map<string, T>();
  const table = createRecordTable<T>(indexes, {
    ...names,
    keyOf: ({ ID }) => ID,
    secondary: [
      { add: (record) => void byName.set(record.Name, record), remove: (record) => void byName.delete(record.Name) },
    ],
  });
  return { ...table, byName: (name) => byName.get(name) };
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
