import type { AclAuthMethodRecord, AclBindingRuleRecord } from "../../lib/contract/acl-login.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { createRecordTable, type RecordTable } from "./record-table.ts";
import { watchKeys } from "./watch-keys.ts";

/** Auth methods by name. */
export type AuthMethodTable = RecordTable<AclAuthMethodRecord>;

/** Binding rules by id and by the name of their method. */
export interface BindingRuleTable extends RecordTable<AclBindingRuleRecord> {
  ofAuthMethod(name: string): Iterable<AclBindingRuleRecord>;
}

export interface AclLoginTables {
  readonly authMethods: AuthMethodTable;
  readonly bindingRules: BindingRuleTable;
}

export function createAclLoginTables(indexes: IndexTable): AclLoginTables {
  return {
    authMethods: createRecordTable(indexes, {
      table: "acl-auth-methods",
      watchKey: watchKeys.aclAuthMethods,
      keyOf: ({ Name }) => Name,
    }),
    bindingRules: createBindingRuleTable(indexes),
  };
}

function createBindingRuleTable(indexes: IndexTable): BindingRuleTable {
  const byMethod = createMultiMap<AclBindingRuleRecord>();
  const table = createRecordTable<AclBindingRuleRecord>(indexes, {
    table: "acl-binding-rules",
    watchKey: watchKeys.aclBindingRules,
    keyOf: ({ ID }) => ID,
    secondary: [
      {
        add: (record) => byMethod.add(record.AuthMethod, record),
        remove: (record) => byMethod.remove(record.AuthMethod, record),
      },
    ],
  });
  return { ...table, ofAuthMethod: byMethod.get };
}
