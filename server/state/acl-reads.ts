import type { AclBootstrapRecord, AclPolicyRecord, AclRoleRecord, AclTokenRecord } from "../../lib/contract/acl.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { Read } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

/** Everything that access control rests on, with the index of its last change. */
export interface AclRecords {
  readonly tokens: Pick<Tables["acl"]["tokens"], "get" | "bySecretHash" | "ofAuthMethod" | "expiring">;
  readonly policies: Pick<Tables["acl"]["policies"], "get" | "byName">;
  readonly roles: Pick<Tables["acl"]["roles"], "get" | "byName">;
}

/** Lists are sorted: policies and roles by name, tokens by accessor. */
export interface AclReads {
  aclTokens(): Read<readonly AclTokenRecord[]>;
  aclPolicies(): Read<readonly AclPolicyRecord[]>;
  aclRoles(): Read<readonly AclRoleRecord[]>;
  /** One record, in an object that is never the same: what it links to may have changed when it has not. */
  aclRecord<T>(find: (records: AclRecords) => T | undefined): Read<{ readonly found: T | undefined }>;
  /** Undefined before anybody has bootstrapped. */
  aclBootstrap(): AclBootstrapRecord | undefined;
  /** Single records, for who asks about one now and does not wait for its change. */
  aclRecords(): AclRecords;
  /** Index of the last change of policies and roles: what was compiled of them holds while it stands still. */
  aclRulesIndex(): number;
}

const rulesKeys: readonly string[] = [watchKeys.aclPolicies, watchKeys.aclRoles];
const allKeys: readonly string[] = [watchKeys.aclTokens, ...rulesKeys];

export function createAclReads(tables: Tables, cache: ReadCache): AclReads {
  const tokens = createReadSlot<readonly AclTokenRecord[]>();
  const policies = createReadSlot<readonly AclPolicyRecord[]>();
  const roles = createReadSlot<readonly AclRoleRecord[]>();
  return {
    aclTokens: () =>
      cache.read(tokens, "", allKeys, () =>
        [...tables.acl.tokens.all()].sort((a, b) => compareText(a.AccessorID, b.AccessorID)),
      ),
    aclPolicies: () =>
      cache.read(policies, "", [watchKeys.aclPolicies], () =>
        [...tables.acl.policies.all()].sort((a, b) => compareText(a.Name, b.Name)),
      ),
    aclRoles: () =>
      cache.read(roles, "", rulesKeys, () => [...tables.acl.roles.all()].sort((a, b) => compareText(a.Name, b.Name))),
    aclRecord: (find) => ({
      index: tables.indexes.latest(allKeys),
      value: { found: find(tables.acl) },
      watch: allKeys,
    }),
    aclBootstrap: () => tables.acl.bootstrap.get(),
    aclRecords: () => tables.acl,
    aclRulesIndex: () => tables.indexes.latest(rulesKeys),
  };
}
