import { compareIntentions, wildcard } from "../lib/contract/intentions.ts";
import { jwtRequirement } from "../lib/contract/jwt-provider.ts";
import { permissionConfig } from "../lib/contract/intention-permissions.ts";
import { formatSpiffeId, parseSpiffeId } from "../lib/contract/spiffe.ts";
import type { TopicValues } from "../lib/contract/topics.ts";

/**
 * Consul's enforcement: any datacenter, and the trust domain is whatever the certificate authorities admit. A rule for a
 * name that no certificate can carry could never match, so it is left out rather than making the document unusable. What
 * permissions mean on a protocol without requests is the proxy's to know: it denies there.
 */
export function intentionRules(destination: string, intentions: TopicValues["intentions"]) {
  const rules = intentions.rules
    .filter((rule) => rule.destinationName === destination || rule.destinationName === wildcard)
    .filter((rule) => rule.sourceName === wildcard || canBeInIdentity(rule.sourceName))
    .sort(compareIntentions)
    .map(({ sourceName, action, permissions }) => ({
      source: `spiffe://*/ns/default/dc/*/svc/${sourceName}`,
      ...(permissions === undefined ? { action } : { permissions: permissions.map(permissionConfig) }),
    }));
  return {
    default: intentions.defaultAction,
    rules,
    ...(intentions.jwt !== undefined && { jwt: jwtRequirement(intentions.jwt) }),
  };
}

function canBeInIdentity(service: string): boolean {
  return parseSpiffeId(formatSpiffeId({ kind: "service", trustDomain: "t", datacenter: "d", service })) !== undefined;
}
