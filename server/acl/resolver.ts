import { hash } from "node:crypto";
import { type Authorizer, unrestricted } from "../../lib/acl/authorizer.ts";
import { authorizerOf, compileRules, type Decider, type DefaultPolicy } from "../../lib/acl/compile.ts";
import { parseRules } from "../../lib/acl/parse-rules.ts";
import { noRules, type PolicyRules } from "../../lib/acl/policy-rules.ts";
import type { Clock } from "../../lib/base/clock.ts";
import { type AclTokenRecord, anonymousAccessorId, anonymousSecret } from "../../lib/contract/acl.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { AclReads } from "../state/acl-reads.ts";
import { type GrantedPolicy, policiesOf } from "./token-policies.ts";

/**
 * From the secret of a request to what it may do, synchronously and from memory. Compiled policies are kept: as long as no
 * policy and no role changes, a request costs one hash and two looks into maps.
 */
export interface AclResolver {
  readonly settings: AclSettings;
  /**
   * An empty secret is the anonymous token. Throws `PERMISSION_DENIED` "ACL not found" for a secret that nobody has (any
   * more): a token that has expired is refused from that moment on, whether or not it was removed yet.
   */
  resolve(secret: string): Authorizer;
  /** The same with the token itself; undefined where ACLs are off or nobody has initialised them. */
  resolveToken(secret: string): ResolvedToken;
  /** What the token of this accessor ID may do. Throws as `resolve` does when it is gone or has expired. */
  resolveAccessor(accessorId: string): Authorizer;
  /** The policies that hold here of a token, each once. */
  policies(token: AclTokenRecord): readonly GrantedPolicy[];
}

export interface ResolvedToken {
  readonly authorizer: Authorizer;
  readonly token: AclTokenRecord | undefined;
}

export interface AclSettings {
  readonly isEnabled: boolean;
  /** What applies where no rule does. */
  readonly defaultPolicy: DefaultPolicy;
  readonly datacenter: string;
  /** To list keys below a prefix needs `list` on it; absent: who may read a key is shown it. */
  readonly demandsKeyList?: boolean;
}

/** Sets of policies that are kept compiled; past it they are compiled anew when they are asked for. */
const maxCompiled = 1_024;

export function createAclResolver(options: {
  readonly reader: Pick<AclReads, "aclRecords" | "aclRulesIndex">;
  readonly settings: AclSettings;
  readonly clock: Pick<Clock, "nowMs">;
}): AclResolver {
  const { reader, settings, clock } = options;
  const compiled = new Map<string, Decider>();
  const parsed = new Map<string, PolicyRules>();
  // A change of a token makes another record of it.
  const known = new WeakMap<AclTokenRecord, { readonly rulesIndex: number; readonly authorizer: Authorizer }>();
  const nobody = authorizerOf(compile([]), anonymousAccessorId);

  function compile(policies: readonly GrantedPolicy[]): Decider {
    const key = `${settings.defaultPolicy}:${policies.map((policy) => policy.key).join(",")}`;
    const before = compiled.get(key);
    if (before !== undefined) return before;
    const decider = compileRules(
      policies.map((policy) => rulesOf(policy)),
      { key, defaultPolicy: settings.defaultPolicy },
    );
    keep(compiled, key, decider);
    return decider;
  }

  function rulesOf({ key, rules }: GrantedPolicy): PolicyRules {
    const before = parsed.get(key);
    if (before !== undefined) return before;
    const result = parseRules(rules);
    // They were checked when they were written; what another version took gives nothing here.
    const read = result.ok ? result.rules : noRules;
    keep(parsed, key, read);
    return read;
  }

  const authorizerFor = (token: AclTokenRecord): Authorizer => {
    const rulesIndex = reader.aclRulesIndex();
    const before = known.get(token);
    if (before !== undefined && before.rulesIndex === rulesIndex) return before.authorizer;
    const authorizer = authorizerOf(compile(policies(token)), token.AccessorID);
    known.set(token, { rulesIndex, authorizer });
    return authorizer;
  };
  const policies = (token: AclTokenRecord): readonly GrantedPolicy[] =>
    policiesOf(token, reader.aclRecords(), settings.datacenter);

  const resolveToken = (secret: string): ResolvedToken => {
    if (!settings.isEnabled) return { authorizer: unrestricted, token: undefined };
    const token = findToken(secret, reader.aclRecords().tokens, clock.nowMs());
    return { authorizer: token === undefined ? nobody : authorizerFor(token), token };
  };

  return {
    settings,
    resolveToken,
    policies,
    resolve: (secret) => resolveToken(secret).authorizer,
    resolveAccessor(accessorId) {
      if (!settings.isEnabled) return unrestricted;
      const token = reader.aclRecords().tokens.get(accessorId);
      if (token === undefined || isExpired(token, clock.nowMs())) throw aclNotFound();
      return authorizerFor(token);
    },
  };
}

/** As the state keeps a secret. At once rather than through a hash object, which costs 3 to 5 us where this costs 1. */
export function secretHash(secret: string): string {
  return hash("sha256", secret, "hex");
}

export function isExpired(token: Pick<AclTokenRecord, "ExpirationTime">, nowMs: number): boolean {
  return token.ExpirationTime !== undefined && Date.parse(token.ExpirationTime) <= nowMs;
}

/** Undefined for a request without a token where there is no anonymous one yet. */
function findToken(
  secret: string,
  tokens: ReturnType<AclReads["aclRecords"]>["tokens"],
  nowMs: number,
): AclTokenRecord | undefined {
  if (secret === "" || secret === anonymousSecret) return tokens.get(anonymousAccessorId);
  const token = tokens.bySecretHash(secretHash(secret));
  if (token === undefined || isExpired(token, nowMs)) throw aclNotFound();
  return token;
}

/** Consul's words; which token it was is not said, since it may be a mistyped secret. */
export function aclNotFound(): AtollError {
  return new AtollError("PERMISSION_DENIED", "ACL not found");
}

function keep<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= maxCompiled) {
    for (const oldest of map.keys()) {
      map.delete(oldest);
      break;
    }
  }
  map.set(key, value);
}
