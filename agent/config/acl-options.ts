import { type Static, Type } from "typebox";
import { parseDurationMs } from "../../lib/base/duration.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

/** The `acl` block of an agent's configuration: Consul's keys, and what they come to with every default filled in. */
const Text = Type.Optional(Type.String());

export const AclFileSchema = Type.Object({
  enabled: Type.Optional(Type.Boolean()),
  default_policy: Text,
  down_policy: Text,
  token_ttl: Text,
  policy_ttl: Text,
  role_ttl: Text,
  enable_token_persistence: Type.Optional(Type.Boolean()),
  enable_key_list_policy: Type.Optional(Type.Boolean()),
  tokens: Type.Optional(
    Type.Object({
      initial_management: Text,
      /** Its name before Consul 1.11. */
      master: Text,
      agent: Text,
      agent_recovery: Text,
      agent_master: Text,
      default: Text,
      replication: Text,
      config_file_service_registration: Text,
      dns: Text,
    }),
  ),
});
export type AclFile = Static<typeof AclFileSchema>;

/** What applies on an agent that can reach no server, to tokens that it has not resolved yet or whose time is over. */
export const downPolicies = ["allow", "deny", "extend-cache", "async-cache"] as const;
export type DownPolicy = (typeof downPolicies)[number];

export interface AgentAclOptions {
  readonly isEnabled: boolean;
  readonly defaultPolicy: "allow" | "deny";
  readonly downPolicy: DownPolicy;
  /** How long an agent relies on what a server said of a token. */
  readonly tokenTtlMs: number;
  /** Tokens that are set over the API outlive the process. */
  readonly isTokenPersistent: boolean;
  /** To list keys below a prefix needs `list` on it; else who may read a key is shown it. Of servers. */
  readonly demandsKeyList: boolean;
  readonly initialManagementToken: string;
  readonly tokens: AgentTokens;
}

/** Secrets that the agent itself uses; empty where there is none. */
export interface AgentTokens {
  /** Of requests that bring none. */
  readonly default: string;
  /** Of what the agent does for itself. */
  readonly agent: string;
  /** Opens this agent's own endpoints when no server can be reached. */
  readonly agent_recovery: string;
  readonly replication: string;
  /** Of services in configuration files that name no token of their own. */
  readonly config_file_service_registration: string;
  readonly dns: string;
}
export const agentTokenNames = [
  "default",
  "agent",
  "agent_recovery",
  "replication",
  "config_file_service_registration",
  "dns",
] as const;
export type AgentTokenName = (typeof agentTokenNames)[number];

const defaultTtlMs = 30_000;

/** Throws `CONFIG_INVALID` that names the key, the value and the fix. */
export function resolveAclOptions(file: AclFile = {}): AgentAclOptions {
  const { tokens = {} } = file;
  const isEnabled = file.enabled ?? false;
  const ttls = [
    readTtl("token_ttl", file.token_ttl),
    readTtl("policy_ttl", file.policy_ttl),
    readTtl("role_ttl", file.role_ttl),
  ];
  return {
    isEnabled,
    defaultPolicy: oneOf("default_policy", file.default_policy ?? (isEnabled ? "deny" : "allow"), ["allow", "deny"]),
    downPolicy: oneOf("down_policy", file.down_policy ?? "extend-cache", downPolicies),
    // What a server says of a token holds its policies and roles as well: the shortest of the three bounds it.
    tokenTtlMs: Math.min(...ttls),
    isTokenPersistent: file.enable_token_persistence ?? false,
    demandsKeyList: file.enable_key_list_policy ?? false,
    initialManagementToken: tokens.initial_management ?? tokens.master ?? "",
    tokens: {
      default: tokens.default ?? "",
      agent: tokens.agent ?? "",
      agent_recovery: tokens.agent_recovery ?? tokens.agent_master ?? "",
      replication: tokens.replication ?? "",
      config_file_service_registration: tokens.config_file_service_registration ?? "",
      dns: tokens.dns ?? "",
    },
  };
}

/** `later` wins over `earlier`, key by key. */
export function mergeAclFiles(earlier: AclFile | undefined, later: AclFile | undefined): AclFile | undefined {
  if (earlier === undefined || later === undefined) return later ?? earlier;
  const tokens = { ...earlier.tokens, ...later.tokens };
  return { ...earlier, ...later, ...(Object.keys(tokens).length > 0 && { tokens }) };
}

function oneOf<T extends string>(key: string, text: string, known: readonly T[]): T {
  const found = known.find((one) => one === text);
  if (found !== undefined) return found;
  throw new AtollError("CONFIG_INVALID", `acl.${key} must be one of ${known.join(", ")}, found "${text}"`);
}

function readTtl(key: string, text: string | undefined): number {
  if (text === undefined) return defaultTtlMs;
  const ttlMs = parseDurationMs(text);
  if (ttlMs !== undefined && ttlMs >= 0) return ttlMs;
  throw new AtollError("CONFIG_INVALID", `acl.${key} must be a duration such as "30s", found "${text}"`);
}
