import { anonymousAccessorId } from "../contract/acl.ts";
import { AtollError } from "../contract/error-codes.ts";

/**
 * What a token may do. Routes ask this and nothing else, so that they neither know how a token came to its rules nor whether
 * ACLs are on at all. Names are compared as they are, without case folding.
 */
export const resources = [
  "acl",
  "agent",
  "event",
  "intention",
  "key",
  "keyring",
  "mesh",
  "node",
  "operator",
  "peering",
  "query",
  "service",
  "session",
] as const;
export type Resource = (typeof resources)[number];

/** `write` includes `read`; `list` is of keys only, and means to see every name below a prefix. */
export type Access = "read" | "list" | "write";

export interface Authorizer {
  /** The same for all authorizers that decide alike, so that they may share what was made for one of them. */
  readonly key: string;
  /** Nothing is refused: lists need not be looked through. */
  readonly isUnrestricted: boolean;
  /** `name` is empty for resources that have none: acl, keyring, mesh, operator, peering. */
  allows(resource: Resource, access: Access, name?: string): boolean;
  /** Whether every name that begins with `prefix` is allowed, those included that do not exist. */
  allowsAll(resource: Resource, access: Access, prefix: string): boolean;
  /** Whether any name at all is allowed. */
  allowsAny(resource: Resource, access: Access): boolean;
  /** Who it speaks for in a refusal and in the audit log; never a secret. */
  readonly accessorId: string;
}

/** Where ACLs are off, and for management tokens. */
export const unrestricted: Authorizer = {
  key: "unrestricted",
  isUnrestricted: true,
  allows: () => true,
  allowsAll: () => true,
  allowsAny: () => true,
  accessorId: "",
};

/** Throws `PERMISSION_DENIED` with Consul's sentence, which names the rule that is missing. */
export function demand(authorizer: Authorizer, resource: Resource, access: Access, name = ""): void {
  if (!authorizer.allows(resource, access, name)) throw permissionDenied(authorizer, resource, access, name);
}

export function permissionDenied(authorizer: Authorizer, resource: Resource, access: Access, name = ""): AtollError {
  const on = name === "" ? "" : ` on ${JSON.stringify(name)}`;
  const isAnonymous = authorizer.accessorId === "" || authorizer.accessorId === anonymousAccessorId;
  const who = isAnonymous ? "anonymous token" : `token with AccessorID '${authorizer.accessorId}'`;
  const hint = isAnonymous ? ". The anonymous token is used implicitly when a request does not specify a token." : "";
  const message = `Permission denied: ${who} lacks permission '${resource}:${access}'${on}${hint}`;
  return new AtollError("PERMISSION_DENIED", message);
}
