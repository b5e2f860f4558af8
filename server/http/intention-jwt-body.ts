import { Type } from "typebox";
import type { Static } from "typebox";
import type { IntentionJwt } from "../../lib/contract/jwt-provider.ts";
import { refusal, Text } from "./entry-fields.ts";

/** What an intention, or a permission of one, requires of tokens. That the providers exist is the state's to say. */
export const IntentionJwtBody = Type.Optional(
  Type.Object({
    Providers: Type.Optional(
      Type.Array(
        Type.Object({
          Name: Text,
          VerifyClaims: Type.Optional(
            Type.Array(Type.Object({ Path: Type.Optional(Type.Array(Type.String())), Value: Text }), { maxItems: 64 }),
          ),
        }),
        { maxItems: 64 },
      ),
    ),
  }),
);

/** Undefined for a requirement that names nobody. `path` is its place in the entry. */
export function decodeIntentionJwt(
  body: Static<typeof IntentionJwtBody> | undefined,
  path: string,
): IntentionJwt | undefined {
  const providers = body?.Providers ?? [];
  if (providers.length === 0) return undefined;
  return {
    Providers: providers.map(({ Name = "", VerifyClaims = [] }, i) => {
      if (Name === "") throw refusal(`${path}.Providers[${i}].Name is required`);
      return {
        Name,
        VerifyClaims: VerifyClaims.map(({ Path = [], Value = "" }, j) => {
          const isUsable = Path.length > 0 && Path.length <= 16;
          if (isUsable) return { Path, Value };
          throw refusal(`${path}.Providers[${i}].VerifyClaims[${j}].Path must have 1 to 16 parts`);
        }),
      };
    }),
  };
}

/** Consul's JSON. */
export function intentionJwtAnswer({ Providers }: IntentionJwt): object {
  return {
    Providers: Providers.map(({ Name, VerifyClaims }) => ({ Name, ...(VerifyClaims.length > 0 && { VerifyClaims }) })),
  };
}
