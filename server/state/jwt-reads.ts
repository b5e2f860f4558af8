import type { ServiceIntentionsEntry } from "../../lib/contract/config-entries.ts";
import { requiredProviders } from "../../lib/contract/jwt-provider.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { RequiredTokens, StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

/** What requests to a service must show, with the providers that can have issued it. */
export function createJwtReads(tables: Tables, cache: ReadCache): Pick<StateReader, "requiredTokens"> {
  const slot = createReadSlot<RequiredTokens>();
  return {
    requiredTokens(destination) {
      const entry = tables.configEntries.get("service-intentions", destination);
      const intentions = entry?.Kind === "service-intentions" ? entry : undefined;
      const names = intentions === undefined ? [] : providersOf(intentions);
      const watch = [
        watchKeys.configEntry("service-intentions", destination),
        ...names.map((name) => watchKeys.configEntry("jwt-provider", name)),
      ];
      return cache.read(slot, destination, watch, () => requiredTokens(tables, intentions, names));
    },
  };
}

/** Names of all providers in an entry, each once. */
export function providersOf({ JWT, Sources }: ServiceIntentionsEntry): string[] {
  const named = [
    ...requiredProviders(JWT),
    ...Sources.flatMap(({ Permissions = [] }) =>
      Permissions.flatMap((permission) => requiredProviders(permission.JWT)),
    ),
  ];
  return [...new Set(named)].sort(compareText);
}

function requiredTokens(
  tables: Tables,
  intentions: ServiceIntentionsEntry | undefined,
  names: readonly string[],
): RequiredTokens {
  if (names.length === 0) return {};
  const jwtProviders = names.flatMap((name) => {
    const provider = tables.configEntries.get("jwt-provider", name);
    return provider?.Kind === "jwt-provider" ? [provider] : [];
  });
  return { ...(intentions?.JWT !== undefined && { jwt: intentions.JWT }), jwtProviders };
}
