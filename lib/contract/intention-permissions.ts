import type { IntentionAction } from "./config-entries.ts";
import { type IntentionJwt, jwtRequirement } from "./jwt-provider.ts";
import type { PermissionConfig } from "./proxy-intentions.ts";

/** One of the permissions of a `service-intentions` source, as Consul names its parts; an empty text says nothing. */
export interface IntentionPermission {
  readonly Action: IntentionAction;
  readonly HTTP: IntentionHttp;
  /** What a request must show besides. */
  readonly JWT?: IntentionJwt;
}

export interface IntentionHttp {
  /** At most one of the three. */
  readonly PathExact: string;
  readonly PathPrefix: string;
  readonly PathRegex: string;
  readonly Header: readonly IntentionHeader[];
  readonly Methods: readonly string[];
}

/** Exactly one of Present to Regex is set. */
export interface IntentionHeader {
  readonly Name: string;
  readonly Present: boolean;
  readonly Exact: string;
  readonly Prefix: string;
  readonly Suffix: string;
  readonly Contains: string;
  readonly Regex: string;
  readonly Invert: boolean;
  readonly IgnoreCase: boolean;
}

/** Bounds of what one source may say; a proxy's document has the same. */
export const maxPermissions = 1_000;
export const maxHeaders = 64;

/** The same permission in the words of a proxy's document. */
export function permissionConfig({ Action, HTTP, JWT }: IntentionPermission): PermissionConfig {
  const path = pathMatch(HTTP);
  return {
    action: Action,
    ...(path !== undefined && { path }),
    headers: HTTP.Header.map(headerMatch),
    methods: [...HTTP.Methods],
    ...(JWT !== undefined && { jwt: jwtRequirement(JWT) }),
  };
}

function pathMatch({ PathExact, PathPrefix, PathRegex }: IntentionHttp): PermissionConfig["path"] {
  if (PathExact !== "") return { type: "exact", value: PathExact, ignoreCase: false };
  if (PathPrefix !== "") return { type: "prefix", value: PathPrefix, ignoreCase: false };
  if (PathRegex !== "") return { type: "regex", value: PathRegex, ignoreCase: false };
  return undefined;
}

function headerMatch(header: IntentionHeader): PermissionConfig["headers"][number] {
  const { Name: name, Invert: invert, IgnoreCase: ignoreCase } = header;
  return { name, ...headerText(header), invert, ignoreCase };
}

function headerText(header: IntentionHeader): Pick<PermissionConfig["headers"][number], "type" | "value"> {
  if (header.Exact !== "") return { type: "exact", value: header.Exact };
  if (header.Prefix !== "") return { type: "prefix", value: header.Prefix };
  if (header.Suffix !== "") return { type: "suffix", value: header.Suffix };
  if (header.Contains !== "") return { type: "contains", value: header.Contains };
  if (header.Regex !== "") return { type: "regex", value: header.Regex };
  return { type: "present", value: "" };
}
