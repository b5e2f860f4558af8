import { Type } from "typebox";
import { protocols } from "../contract/config-entries.ts";
import { hashFields, loadBalancerPolicies } from "../contract/service-resolver.ts";
import { routeRetryConditions } from "../contract/service-router.ts";

/** A discovery chain as it travels with the settings of a service; made when the first one comes. */
export function chainSchema() {
  const text = Type.String();
  const flag = Type.Boolean();
  const count = Type.Number();
  const modifiers = Type.Optional(
    Type.Object({ Add: Type.Record(text, text), Set: Type.Record(text, text), Remove: Type.Array(text) }),
  );
  const condition = { Name: text, Present: flag, Exact: text, Regex: text };
  const definition = Type.Object({
    Match: Type.Object({
      PathExact: text,
      PathPrefix: text,
      PathRegex: text,
      CaseInsensitive: flag,
      Header: Type.Array(Type.Object({ ...condition, Prefix: text, Suffix: text, Invert: flag })),
      QueryParam: Type.Array(Type.Object(condition)),
      Methods: Type.Array(text),
    }),
    Destination: Type.Object({
      Service: text,
      ServiceSubset: text,
      PrefixRewrite: text,
      RequestTimeoutMs: count,
      IdleTimeoutMs: count,
      NumRetries: count,
      RetryOnConnectFailure: flag,
      RetryOn: Type.Array(Type.Enum([...routeRetryConditions])),
      RetryOnStatusCodes: Type.Array(count),
      RequestHeaders: modifiers,
      ResponseHeaders: modifiers,
    }),
  });
  const target = { service: text, subset: text, filter: text, onlyPassing: flag };
  const loadBalancer = Type.Object({
    Policy: Type.Enum([...loadBalancerPolicies]),
    RingHashConfig: Type.Optional(Type.Object({ MinimumRingSize: count, MaximumRingSize: count })),
    LeastRequestConfig: Type.Optional(Type.Object({ ChoiceCount: count })),
    HashPolicies: Type.Array(
      Type.Object({ Field: Type.Enum([...hashFields]), FieldValue: text, SourceIP: flag, Terminal: flag }),
    ),
  });
  return Type.Object({
    service: text,
    protocol: Type.Enum([...protocols]),
    routes: Type.Array(
      Type.Object({
        definition: Type.Optional(definition),
        splits: Type.Array(
          Type.Object({
            weight: count,
            resolver: text,
            splitters: Type.Array(text),
            requestHeaders: modifiers,
            responseHeaders: modifiers,
          }),
        ),
      }),
    ),
    resolvers: Type.Array(
      Type.Object({
        id: text,
        ...target,
        resolvers: Type.Array(text),
        connectTimeoutMs: count,
        requestTimeoutMs: count,
        loadBalancer: Type.Optional(loadBalancer),
        failover: Type.Array(Type.Object(target)),
      }),
    ),
  });
}
