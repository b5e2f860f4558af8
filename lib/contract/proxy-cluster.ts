import { Type } from "typebox";
import type { Static } from "typebox";
import Value from "typebox/value";
import type { SchemaIssue } from "./schema-issues.ts";

/** How a cluster chooses among its endpoints: names and defaults are Envoy's where it has them, Linkerd's for `peak-ewma`. */
const closed = { additionalProperties: false } as const;
const Integer = (
  fallback: number,
  range: { readonly minimum: number; readonly maximum: number },
  description: string,
) => Type.Integer({ ...range, default: fallback, description });

export const balancePolicies = ["least-request", "peak-ewma", "random", "round-robin", "ring-hash", "maglev"] as const;

/** What one request is hashed by, for `ring-hash` and `maglev`. */
export const HashPolicySchema = Type.Object(
  {
    on: Type.Enum(["header", "cookie", "source-ip", "query"], { description: "what of a request is hashed" }),
    name: Type.String({ default: "", maxLength: 256, description: "of the header, cookie or query parameter" }),
    terminal: Type.Boolean({ default: false, description: "when this one is there, those after it are not asked" }),
  },
  closed,
);

export const BalancerSchema = Type.Object(
  {
    policy: Type.Enum([...balancePolicies], { default: "least-request", description: "how an endpoint is chosen" }),
    choices: Integer(2, { minimum: 2, maximum: 10 }, "endpoints that least-request compares"),
    decayMs: Integer(10_000, { minimum: 1, maximum: 3_600_000 }, "how fast peak-ewma forgets; Linkerd's"),
    defaultRttMs: Integer(30, { minimum: 1, maximum: 60_000 }, "peak-ewma of an endpoint not measured yet; Linkerd's"),
    minRingSize: Integer(1_024, { minimum: 1, maximum: 8_388_608 }, "points of ring-hash at least; Envoy's"),
    maxRingSize: Integer(
      262_144,
      { minimum: 1, maximum: 8_388_608 },
      "points of ring-hash at most; Envoy has 8388608, which are 100 MB",
    ),
    tableSize: Integer(65_537, { minimum: 2, maximum: 5_000_011 }, "entries of maglev, a prime; Envoy's"),
    hashPolicies: Type.Array(HashPolicySchema, {
      maxItems: 16,
      default: [],
      description: "what ring-hash and maglev go by; a request with none of it goes to any endpoint",
    }),
    slowStartMs: Integer(
      0,
      { minimum: 0, maximum: 86_400_000 },
      "an endpoint that joins later gets its full share after so long; 0 is at once",
    ),
    slowStartAggression: Type.Number({
      minimum: 0.1,
      maximum: 100,
      default: 1,
      description: "share = (time / slowStartMs) ^ (1 / aggression): 1 is a straight line, more rises sooner",
    }),
    slowStartMinWeightPercent: Integer(10, { minimum: 1, maximum: 100 }, "share that it begins with; Envoy's"),
    localZone: Type.String({
      default: "",
      maxLength: 256,
      description: "zone of this proxy, whose endpoints are preferred; empty for none",
    }),
    minZoneEndpoints: Integer(
      6,
      { minimum: 1, maximum: 10_000 },
      "with fewer endpoints no zone is preferred; Envoy's min_cluster_size",
    ),
    overprovisioningPercent: Integer(
      140,
      { minimum: 100, maximum: 1_000 },
      "a priority takes all load while its healthy share times this is 100 %; Envoy's",
    ),
    panicThresholdPercent: Integer(
      50,
      { minimum: 0, maximum: 100 },
      "with a smaller healthy share health is ignored, 0 never; Envoy's",
    ),
    maxRetryAfterMs: Integer(
      60_000,
      { minimum: 0, maximum: 60_000 },
      "how long an endpoint that said 429 or 503 with Retry-After is passed over at most; 0 is not at all",
    ),
  },
  { ...closed, default: {}, description: "how an endpoint is chosen for a request" },
);

/** Where an endpoint is, for zones, failover groups and subsets. */
export const endpointPlacement = {
  zone: Type.String({ default: "", maxLength: 256, description: "where it runs; empty when unknown" }),
  priority: Integer(0, { minimum: 0, maximum: 127 }, "failover group: 0 is used first"),
  tags: Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 1_024 }), {
    default: {},
    description: "by which routes choose subsets",
  }),
};

export type BalancerConfig = Static<typeof BalancerSchema>;
export type HashPolicyConfig = Static<typeof HashPolicySchema>;

/** The balancer of a cluster that says nothing about it. */
export const defaultBalancer: BalancerConfig = Value.Parse(BalancerSchema, Value.Default(BalancerSchema, {}));
/** The same for an endpoint: nowhere in particular. */
export const defaultPlacement = { zone: "", priority: 0, tags: {} } as const;

/** What a schema cannot say of a balancer that is found at `path` of the document. */
export function balancerIssues(balancer: BalancerConfig, path: string): SchemaIssue[] {
  const { minRingSize, maxRingSize, tableSize, hashPolicies } = balancer;
  return [
    ...(minRingSize > maxRingSize
      ? [{ path: `${path}.minRingSize`, message: `must be at most maxRingSize (${maxRingSize}), found ${minRingSize}` }]
      : []),
    ...(isPrime(tableSize) ? [] : [{ path: `${path}.tableSize`, message: `must be a prime, found ${tableSize}` }]),
    ...hashPolicies.flatMap(({ on, name }, i) => {
      if ((name === "") === (on === "source-ip")) return [];
      const message = name === "" ? `must say which ${on}, found ""` : `must be empty for source-ip, found "${name}"`;
      return [{ path: `${path}.hashPolicies[${i}].name`, message }];
    }),
  ];
}

function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return value >= 2;
}
