import type { AclAuthMethodRecord, AclBindingRuleRecord } from "../../lib/contract/acl-login.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { Read } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

/** Auth methods by name, binding rules by id. */
export interface AclLoginReads {
  aclAuthMethods(): Read<readonly AclAuthMethodRecord[]>;
  aclBindingRules(): Read<readonly AclBindingRuleRecord[]>;
  aclAuthMethod(name: string): Read<AclAuthMethodRecord | undefined>;
  aclBindingRule(id: string): Read<AclBindingRuleRecord | undefined>;
  /** Single records, for who asks about one now. */
  aclLoginRecords(): AclLoginRecords;
}

export interface AclLoginRecords {
  readonly authMethods: Pick<Tables["aclLogin"]["authMethods"], "get">;
  readonly bindingRules: Pick<Tables["aclLogin"]["bindingRules"], "get" | "ofAuthMethod">;
}

export function createAclLoginReads(tables: Tables, cache: ReadCache): AclLoginReads {
  const methods = createReadSlot<readonly AclAuthMethodRecord[]>();
  const rules = createReadSlot<readonly AclBindingRuleRecord[]>();
  const watchMethods = [watchKeys.aclAuthMethods];
  const watchRules = [watchKeys.aclBindingRules];
  const one = <T>(value: T, watch: readonly string[]): Read<T> => ({
    index: tables.indexes.latest(watch),
    value,
    watch,
  });
  return {
    aclAuthMethods: () =>
      cache.read(methods, "", watchMethods, () =>
        [...tables.aclLogin.authMethods.all()].sort((a, b) => compareText(a.Name, b.Name)),
      ),
    aclBindingRules: () =>
      cache.read(rules, "", watchRules, () =>
        [...tables.aclLogin.bindingRules.all()].sort((a, b) => compareText(a.ID, b.ID)),
      ),
    aclAuthMethod: (name) => one(tables.aclLogin.authMethods.get(name), watchMethods),
    aclBindingRule: (id) => one(tables.aclLogin.bindingRules.get(id), watchRules),
    aclLoginRecords: () => tables.aclLogin,
  };
}
