import type { ConfigEntry, ConfigEntryKind, Protocol } from "../../lib/contract/config-entries.ts";
import { protocols } from "../../lib/contract/config-entries.ts";
import type { ChainEntries } from "../chain/compile-chain.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

/** The only names of entries of which there is one. */
export const proxyDefaultsName = "global";
export const meshName = "mesh";
export const defaultProtocol: Protocol = "tcp";

/** Reads one entry. */
export type EntryLookup = <K extends ConfigEntryKind>(
  kind: K,
  name: string,
) => Extract<ConfigEntry, { readonly Kind: K }> | undefined;

/** As the tables have them; `onLookup` hears the key of each that is asked for, whether it is there or not. */
export function tableLookup(tables: Tables, onLookup: (key: string) => void = () => undefined): EntryLookup {
  return (kind, name) => {
    onLookup(watchKeys.configEntry(kind, name));
    const entry = tables.configEntries.get(kind, name);
    return isOfKind(entry, kind) ? entry : undefined;
  };
}

export function isOfKind<K extends ConfigEntryKind>(
  entry: ConfigEntry | undefined,
  kind: K,
): entry is Extract<ConfigEntry, { readonly Kind: K }> {
  return entry?.Kind === kind;
}

/** What a chain is compiled from. */
export function chainEntries(lookup: EntryLookup): ChainEntries {
  return {
    router: (service) => lookup("service-router", service),
    splitter: (service) => lookup("service-splitter", service),
    resolver: (service) => lookup("service-resolver", service),
    protocol: (service) => protocolOf(lookup, service),
  };
}

/** `proxy-defaults` under `service-defaults`. */
export function protocolOf(lookup: EntryLookup, service: string): Protocol {
  const own = lookup("service-defaults", service)?.Protocol;
  const mesh = lookup("proxy-defaults", proxyDefaultsName)?.Config["protocol"];
  // Whoever wrote it may have used capitals.
  const lower = typeof mesh === "string" ? mesh.toLowerCase() : "";
  return own || (protocols.find((protocol) => protocol === lower) ?? defaultProtocol);
}
