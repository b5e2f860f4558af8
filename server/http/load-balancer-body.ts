import { Type } from "typebox";
import type { Static } from "typebox";
import {
  hashFields,
  type HashPolicy,
  type LoadBalancer,
  loadBalancerPolicies,
} from "../../lib/contract/service-resolver.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { Anything, Flag, refusal, Text } from "./entry-fields.ts";

/** The `LoadBalancer` of a resolver, within the bounds of a proxy's document. */
const RingSize = Type.Optional(Type.Integer({ minimum: 0, maximum: 8_388_608 }));

export const LoadBalancerBody = Type.Optional(
  Type.Object({
    Policy: Text,
    RingHashConfig: Type.Optional(Type.Object({ MinimumRingSize: RingSize, MaximumRingSize: RingSize })),
    LeastRequestConfig: Type.Optional(
      Type.Object({ ChoiceCount: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })) }),
    ),
    HashPolicies: Type.Optional(
      Type.Array(
        Type.Object({ Field: Text, FieldValue: Text, CookieConfig: Anything, SourceIP: Flag, Terminal: Flag }),
        { maxItems: 16 },
      ),
    ),
  }),
);
type Body = NonNullable<Static<typeof LoadBalancerBody>>;
type HashPolicyBody = NonNullable<Body["HashPolicies"]>[number];

/** Undefined where nothing is said. */
export function decodeLoadBalancer(body: Body | undefined): LoadBalancer | undefined {
  if (body === undefined || isZeroValue(body)) return undefined;
  const Policy = loadBalancerPolicies.find((policy) => policy === (body.Policy ?? ""));
  if (Policy === undefined) throw refusal(`Bad LoadBalancer policy: "${body.Policy}" is not supported`);
  const ring = isZeroValue(body.RingHashConfig) ? undefined : body.RingHashConfig;
  const choices = body.LeastRequestConfig?.ChoiceCount ?? 0;
  if (ring !== undefined && Policy !== "ring_hash") throw incompatible("RingHashConfig", Policy);
  if (choices > 0 && Policy !== "least_request") throw incompatible("LeastRequestConfig", Policy);
  const { MinimumRingSize = 0, MaximumRingSize = 0 } = ring ?? {};
  if (MaximumRingSize > 0 && MinimumRingSize > MaximumRingSize) {
    throw refusal(`Bad LoadBalancer configuration: MinimumRingSize ${MinimumRingSize} is more than MaximumRingSize`);
  }
  if (choices === 1) throw refusal("Bad LoadBalancer configuration: ChoiceCount must be from 2 to 10, found 1");
  const HashPolicies = (body.HashPolicies ?? []).map((policy, i) => hashPolicy(policy, `HashPolicy[${i}]`));
  if (HashPolicies.length > 0 && Policy !== "ring_hash" && Policy !== "maglev") {
    throw refusal(`Bad LoadBalancer configuration: HashPolicies specified for non-hash-based Policy: "${Policy}"`);
  }
  return {
    Policy,
    ...(ring !== undefined && { RingHashConfig: { MinimumRingSize, MaximumRingSize } }),
    ...(choices > 0 && { LeastRequestConfig: { ChoiceCount: choices } }),
    HashPolicies,
  };
}

function incompatible(config: string, policy: string): Error {
  return refusal(
    `Bad LoadBalancer configuration. ${config} specified for incompatible load balancing policy "${policy}"`,
  );
}

function hashPolicy(body: HashPolicyBody, name: string): HashPolicy {
  const { FieldValue = "", SourceIP = false, Terminal = false } = body;
  const bad = (message: string): Error => refusal(`Bad LoadBalancer ${name}: ${message}`);
  const Field = hashFields.find((field) => field === (body.Field ?? ""));
  if (Field === undefined) throw bad(`"${body.Field}" is not a supported field`);
  if (!isZeroValue(body.CookieConfig)) {
    throw bad("cookie_config is not supported by this version: a cookie that is there is hashed, none is made");
  }
  if (SourceIP && Field !== "") throw bad(`A single hash policy cannot hash both a source address and a "${Field}"`);
  if (SourceIP && FieldValue !== "") throw bad("A FieldValue cannot be specified when hashing SourceIP");
  if (Field !== "" && FieldValue === "") throw bad(`Field "${Field}" was specified without a FieldValue`);
  if (Field === "" && FieldValue !== "") throw bad("FieldValue requires a Field to apply to");
  if (Field === "" && !SourceIP) throw bad("needs a Field or SourceIP");
  if (FieldValue.length > 256) throw bad("FieldValue has more than 256 characters");
  return { Field, FieldValue, SourceIP, Terminal };
}

/** Consul's JSON. */
export function loadBalancerAnswer({ Policy, RingHashConfig, LeastRequestConfig, HashPolicies }: LoadBalancer): object {
  return {
    ...unlessEmpty("Policy", Policy),
    ...(RingHashConfig !== undefined && {
      RingHashConfig: {
        ...unlessEmpty("MinimumRingSize", RingHashConfig.MinimumRingSize),
        ...unlessEmpty("MaximumRingSize", RingHashConfig.MaximumRingSize),
      },
    }),
    ...(LeastRequestConfig !== undefined && { LeastRequestConfig }),
    ...unlessEmpty(
      "HashPolicies",
      HashPolicies.map(({ Field, FieldValue, SourceIP, Terminal }) => ({
        ...unlessEmpty("Field", Field),
        ...unlessEmpty("FieldValue", FieldValue),
        ...(SourceIP && { SourceIP }),
        ...(Terminal && { Terminal }),
      })),
    ),
  };
}
