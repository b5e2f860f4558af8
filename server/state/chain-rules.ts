import type { ConfigEntry } from "../../lib/contract/config-entries.ts";
import { compileChain } from "../chain/compile-chain.ts";
import { chainEntries, type EntryLookup, isOfKind, tableLookup } from "./chain-entries.ts";
import { createMultiMap, type MultiMap } from "./multi-map.ts";
import { type Refusal, refuse } from "./name-rules.ts";
import { compareText } from "./order.ts";
import type { Tables } from "./tables.ts";

/** Entries of which chains are made. */
const chainKinds = ["service-router", "service-splitter", "service-resolver"] as const;
type ChainEntry = Extract<ConfigEntry, { readonly Kind: (typeof chainKinds)[number] }>;

/** One entry as it is to be; without `entry` it is to be deleted. */
export interface Proposal {
  readonly kind: ConfigEntry["Kind"];
  readonly name: string;
  readonly entry?: ConfigEntry;
}

/**
 * Why a write would leave a chain that cannot be compiled: a circle, a subset that does not exist, protocols that do not fit. All chains
 * that come to what is written are looked at, since they were in order before. Looks through the entries of these three kinds: they are
 * written by people, and few.
 */
export function chainProblem(tables: Tables, proposal: Proposal): Refusal | undefined {
  const lookup = withProposal(tableLookup(tables), proposal);
  const entries = chainEntries(lookup);
  for (const service of affectedServices(tables, proposal)) {
    const compiled = compileChain(service, entries);
    if (!compiled.ok) return refuse("INVALID_ARGUMENT", compiled.message);
  }
  return undefined;
}

export function withProposal(lookup: EntryLookup, { kind, name, entry }: Proposal): EntryLookup {
  return (wantedKind, wantedName) => {
    if (wantedKind !== kind || wantedName !== name) return lookup(wantedKind, wantedName);
    return isOfKind(entry, wantedKind) ? entry : undefined;
  };
}

/** Services whose chain can come to what is written, in a fixed order, so that every server refuses with the same words. */
function affectedServices(tables: Tables, proposal: Proposal): readonly string[] {
  const { kind, name } = proposal;
  if (kind === "service-router") return [name];
  const concerned = kind === "proxy-defaults" || kind === "service-defaults" || isChainKind(kind);
  if (!concerned) return [];
  const entries = proposedEntries(tables, proposal);
  if (kind === "proxy-defaults") return [...new Set(entries.map((entry) => entry.Name))].sort(compareText);
  return [...callersOf(name, entries)].sort(compareText);
}

function isChainKind(kind: ConfigEntry["Kind"]): boolean {
  return chainKinds.some((known) => known === kind);
}

function proposedEntries(tables: Tables, { kind, name, entry }: Proposal): ChainEntry[] {
  const isReplaced = (one: ConfigEntry): boolean => one.Kind === kind && one.Name === name;
  const stored = chainKinds.flatMap((one) => [...tables.configEntries.ofKind(one)]);
  return [...stored.filter((one) => !isReplaced(one)), ...(entry === undefined ? [] : [entry])].flatMap((one) =>
    one.Kind === "service-router" || one.Kind === "service-splitter" || one.Kind === "service-resolver" ? [one] : [],
  );
}

/** The service and all that lead to it. */
function callersOf(service: string, entries: readonly ChainEntry[]): ReadonlySet<string> {
  const callers: MultiMap<string> = createMultiMap();
  for (const entry of entries) for (const target of targetsOf(entry)) callers.add(target, entry.Name);
  const found = new Set([service]);
  // A set is walked through to what is added meanwhile, each once.
  for (const name of found) for (const caller of callers.get(name)) found.add(caller);
  return found;
}

/** Names of the services that an entry sends calls to. */
function targetsOf(entry: ChainEntry): readonly string[] {
  switch (entry.Kind) {
    case "service-router":
      return entry.Routes.map(({ Destination }) => Destination.Service || entry.Name);
    case "service-splitter":
      return entry.Splits.map(({ Service }) => Service || entry.Name);
    case "service-resolver":
      return [
        entry.Redirect?.Service || entry.Name,
        ...Object.values(entry.Failover).flatMap((failover) =>
          [failover, ...failover.Targets].map(({ Service }) => Service || entry.Name),
        ),
      ];
  }
}
