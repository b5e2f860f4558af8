import { Type } from "typebox";
import type { Static } from "typebox";

/** The same request to a second endpoint when the first is slow: gRPC's hedging policy and Envoy's `hedge_policy`. */
const closed = { additionalProperties: false } as const;

const hedgeFields = {
  delayMs: Type.Integer({
    minimum: 1,
    maximum: 3_600_000,
    description: "without the head of a response for so long, the request is sent again as well",
  }),
  maxAttempts: Type.Integer({
    minimum: 2,
    maximum: 5,
    default: 2,
    description: "the first and those sent as well, all retries of a request together; gRPC's bound is 5 too",
  }),
  methods: Type.Array(Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", maxLength: 64 }), {
    maxItems: 64,
    default: ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"],
    description: "those that a server may see twice; a call of gRPC is a POST",
  }),
};
const description =
  "requests that a slow server holds up are sent to another endpoint as well, within the budget of `retry`, once their body is complete and while it is still here (64 KB); the first response without a failure wins, the others are called off";
export const HedgeSchema = Type.Object(hedgeFields, { ...closed, description });
export const RouteHedgeSchema = Type.Object(hedgeFields, {
  ...closed,
  description: `${description}; as the outbound's \`hedge\` when absent`,
});

export type HedgeConfig = Static<typeof HedgeSchema>;
