import type { AclPolicyFields, AclRoleFields, AclTokenFields } from "./acl.ts";

/** The part of the replicated log that is about access control. What a command refers to is looked up when it is applied. */
export type AclCommand =
  | AclInitialize
  | AclBootstrap
  | AclTokenUpsert
  | AclTokenDelete
  | AclPolicyUpsert
  | AclPolicyDelete
  | AclRoleUpsert
  | AclRoleDelete;

/** Makes what every cluster with ACLs has: the built-in policies, the anonymous token, the configured management token. */
export interface AclInitialize {
  readonly type: "acl-initialize";
  readonly time: string;
  /** Absent where none is configured. One with this hash that is there already is left alone. */
  readonly initialManagement?: { readonly accessorId: string; readonly secretHash: string };
}

/** The first management token; `applied: false` when there was one and `resetIndex` is not its index. */
export interface AclBootstrap {
  readonly type: "acl-bootstrap";
  readonly token: AclTokenFields;
  /** 0 where no reset was asked for. */
  readonly resetIndex: number;
}

/**
 * A new token with `isNew`, else the change of one: then AccessorID names it, and its secret, expiration, auth method,
 * locality and time of creation stay what they are, whatever is given.
 */
export interface AclTokenUpsert {
  readonly type: "acl-token-upsert";
  readonly token: AclTokenFields;
  readonly isNew: boolean;
}

/** Those that are there are removed; the others are gone already. */
export interface AclTokenDelete {
  readonly type: "acl-token-delete";
  readonly accessorIds: readonly string[];
}

export interface AclPolicyUpsert {
  readonly type: "acl-policy-upsert";
  readonly policy: AclPolicyFields;
  readonly isNew: boolean;
}

export interface AclPolicyDelete {
  readonly type: "acl-policy-delete";
  readonly id: string;
}

export interface AclRoleUpsert {
  readonly type: "acl-role-upsert";
  readonly role: AclRoleFields;
  readonly isNew: boolean;
}

export interface AclRoleDelete {
  readonly type: "acl-role-delete";
  readonly id: string;
}
