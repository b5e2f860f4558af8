import type { AclTokenFields } from "./acl.ts";
import type { Indexed } from "./catalog.ts";

/**
 * Logging in by somebody else's word: an auth method says whose word counts and how it is verified, binding rules say what
 * a verified identity is granted. In the spelling of Consul's `/v1/acl`.
 */
export interface AclAuthMethodFields {
  readonly Name: string;
  readonly Type: AuthMethodType;
  readonly DisplayName: string;
  readonly Description: string;
  /** How long the tokens of its logins live; 0: until they log out. */
  readonly MaxTokenTtlMs: number;
  /** Empty is `local`. */
  readonly TokenLocality: "" | "local" | "global";
  /** What tokens are described with, with `${...}`; empty for Consul's words. */
  readonly TokenNameFormat: string;
  /** What the type asks for, as it was given; may hold a secret, which lists and logs never show. */
  readonly Config: Readonly<Record<string, unknown>>;
}
export type AclAuthMethodRecord = AclAuthMethodFields & Indexed;

export const authMethodTypes = ["aws-iam", "jwt", "kubernetes"] as const;
export type AuthMethodType = (typeof authMethodTypes)[number];

export interface AclBindingRuleFields {
  readonly ID: string;
  readonly Description: string;
  /** The method whose logins it is about. */
  readonly AuthMethod: string;
  /** A filter expression over the identity; empty: for everybody. */
  readonly Selector: string;
  readonly BindType: BindType;
  /** Of what is granted, with `${...}` from the identity. */
  readonly BindName: string;
  /** The variable of a templated policy, with `${...}`; empty where it has none. */
  readonly BindVarName: string;
}
export type AclBindingRuleRecord = AclBindingRuleFields & Indexed;

export const bindTypes = ["node", "policy", "role", "service", "templated-policy"] as const;
export type BindType = (typeof bindTypes)[number];

/** The part of the log about logins. */
export type AclLoginCommand =
  | AclAuthMethodUpsert
  | AclAuthMethodDelete
  | AclBindingRuleUpsert
  | AclBindingRuleDelete
  | AclLogin;

/** A method that is there keeps its type. */
export interface AclAuthMethodUpsert {
  readonly type: "acl-auth-method-upsert";
  readonly authMethod: AclAuthMethodFields;
}

/** With everything that rests on it: its binding rules, and the tokens of its logins. */
export interface AclAuthMethodDelete {
  readonly type: "acl-auth-method-delete";
  readonly name: string;
}

/** A rule that is there keeps its method. */
export interface AclBindingRuleUpsert {
  readonly type: "acl-binding-rule-upsert";
  readonly rule: AclBindingRuleFields;
  readonly isNew: boolean;
}

export interface AclBindingRuleDelete {
  readonly type: "acl-binding-rule-delete";
  readonly id: string;
}

/**
 * The token of a login that was verified by the method as it was at `methodIndex`, its ModifyIndex; `applied: false` when
 * it has changed or gone since, or when nothing of what the token was granted is there any more.
 */
export interface AclLogin {
  readonly type: "acl-login";
  readonly token: AclTokenFields;
  readonly methodIndex: number;
}
