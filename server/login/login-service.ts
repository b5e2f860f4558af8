import type { AuthMethodType } from "../../lib/contract/acl-login.ts";
import type { AclAuthMethodFields, AclAuthMethodRecord } from "../../lib/contract/acl-login.ts";
import type { Clock } from "../../lib/base/clock.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { createAwsVerifier } from "./aws-method.ts";
import type { Identity } from "./identity.ts";
import { createJwtVerifier } from "./jwt-method.ts";
import { createKubernetesVerifier } from "./kubernetes-method.ts";
import type { CreateVerifier, LoginVerifier } from "./method-type.ts";
import { createOutsideCall, type OutsideCall } from "./outside-call.ts";

/**
 * Finds out who somebody is, by the auth method that is named. All that is asked outside happens here, before there is a
 * command: what is applied depends on nothing but the command.
 */
export interface LoginService {
  /** Ready to verify, and kept until the method changes. Throws `INVALID_ARGUMENT` for a configuration that cannot be. */
  verifierOf(method: AclAuthMethodRecord): LoginVerifier;
  /** Throws `INVALID_ARGUMENT` for a configuration that cannot be. */
  check(method: Pick<AclAuthMethodFields, "Type" | "Config">): void;
  /** Throws what {@link LoginVerifier.verify} does, and `RATE_LIMITED` when too many are logging in. */
  verify(method: AclAuthMethodRecord, bearerToken: string): Promise<Identity>;
}

const creators: Readonly<Record<AuthMethodType, CreateVerifier>> = {
  "aws-iam": createAwsVerifier,
  jwt: createJwtVerifier,
  kubernetes: createKubernetesVerifier,
};

/** Each of them may hold a connection for some seconds. */
const maxUnderWay = 256;
/** Methods that are kept ready. */
const maxVerifiers = 256;

export function createLoginService(options: { readonly clock: Clock; readonly call?: OutsideCall }): LoginService {
  const { clock } = options;
  const tools = { clock, call: options.call ?? createOutsideCall(clock) };
  // The record is another one when anything of it has changed.
  const verifiers = new Map<string, { readonly method: AclAuthMethodRecord; readonly verifier: LoginVerifier }>();
  let underWay = 0;
  const verifierOf = (method: AclAuthMethodRecord): LoginVerifier => {
    const kept = verifiers.get(method.Name);
    if (kept?.method === method) return kept.verifier;
    const verifier = creators[method.Type](method.Config, tools);
    if (verifiers.size >= maxVerifiers) verifiers.clear();
    verifiers.set(method.Name, { method, verifier });
    return verifier;
  };
  return {
    verifierOf,
    check: ({ Type, Config }) => void creators[Type](Config, tools),
    async verify(method, bearerToken) {
      if (underWay >= maxUnderWay) throw new AtollError("RATE_LIMITED", "too many logins are under way: try again");
      underWay++;
      try {
        return await verifierOf(method).verify(bearerToken);
      } finally {
        underWay--;
      }
    },
  };
}
