import type { AclAuthMethodRecord, AclBindingRuleRecord } from "../../lib/contract/acl-login.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { watchKeys } from "./watch-keys.ts";

/** Auth methods by name. */
export interface AuthMethodTable {
  get(name: string): AclAuthMethodRecord | undefined;
  put(changes: ChangeSet, record: AclAuthMethodRecord): void;
  remove(changes: ChangeSet, record: AclAuthMethodRecord): void;
  load(record: AclAuthMethodRecord): void;
  all(): Iterable<AclAuthMethodRecord>;
}

/** Binding rules by id and by the name of their method. */
export interface BindingRuleTable {
  get(id: string): AclBindingRuleRecord | undefined;
  ofAuthMethod(name: string): Iterable<AclBindingRuleRecord>;
  put(changes: ChangeSet, record: AclBindingRuleRecord): void;
  remove(changes: ChangeSet, record: AclBindingRuleRecord): void;
  load(record: AclBindingRuleRecord): void;
  all(): Iterable<AclBindingRuleRecord>;
}

export interface AclLoginTables {
  readonly authMethods: AuthMethodTable;
  readonly bindingRules: BindingRuleTable;
}

export function createAclLoginTables(indexes: IndexTable): AclLoginTables {
  return { authMethods: createAuthMethodTable(indexes), bindingRules: createBindingRuleTable(indexes) };
}

function createAuthMethodTable(indexes: IndexTable): AuthMethodTable {
  const byName = new Map<string, AclAuthMethodRecord>();
  return {
    get: (name) => byName.get(name),
    all: () => byName.values(),
    load: (record) => void byName.set(record.Name, record),
    put(changes, record) {
      byName.set(record.Name, record);
      changes.put("acl-auth-methods", record.Name, record);
      indexes.touch(changes, watchKeys.aclAuthMethods);
    },
    remove(changes, record) {
      byName.delete(record.Name);
      changes.remove("acl-auth-methods", record.Name);
      indexes.touch(changes, watchKeys.aclAuthMethods);
    },
  };
}

function createBindingRuleTable(indexes: IndexTable): BindingRuleTable {
  const byId = new Map<string, AclBindingRuleRecord>();
  const byMethod = createMultiMap<AclBindingRuleRecord>();
  const unlink = (record: AclBindingRuleRecord): void => {
    byId.delete(record.ID);
    byMethod.remove(record.AuthMethod, record);
  };
  const link = (record: AclBindingRuleRecord): void => {
    byId.set(record.ID, record);
    byMethod.add(record.AuthMethod, record);
  };
  return {
    get: (id) => byId.get(id),
    ofAuthMethod: byMethod.get,
    all: () => byId.values(),
    load: link,
    put(changes, record) {
      const previous = byId.get(record.ID);
      if (previous !== undefined) unlink(previous);
      link(record);
      changes.put("acl-binding-rules", record.ID, record);
      indexes.touch(changes, watchKeys.aclBindingRules);
    },
    remove(changes, record) {
      unlink(record);
      changes.remove("acl-binding-rules", record.ID);
      indexes.touch(changes, watchKeys.aclBindingRules);
    },
  };
}
