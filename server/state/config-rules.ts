import type { CommandResult, ConfigEntryDelete, ConfigEntryUpsert } from "../../lib/contract/commands.ts";
import type { ConfigEntry, ServiceIntentionsEntry, SourceIntention } from "../../lib/contract/config-entries.ts";
import { intentionPrecedence, wildcard } from "../../lib/contract/intentions.ts";
import { meshName, proxyDefaultsName } from "./chain-entries.ts";
import { chainProblem } from "./chain-rules.ts";
import type { ChangeSet } from "./change-set.ts";
import { gatewayProblem } from "./gateway-rules.ts";
import { providersOf } from "./jwt-reads.ts";
import { nameProblem, type Refusal, refuse } from "./name-rules.ts";
import { compareText } from "./order.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";
import { claimVirtualAddress, unclaimVirtualAddress } from "./virtual-ips.ts";

/** Writes one config entry, normalised; a compare-and-set that finds another index changes nothing and says so. */
export function upsertConfigEntry(tables: Tables, changes: ChangeSet, command: ConfigEntryUpsert): CommandResult {
  const problem = entryProblem(command.entry);
  if (problem !== undefined) return problem;
  const existing = tables.configEntries.get(command.entry.Kind, command.entry.Name);
  if (!isExpected(command.expectedIndex, existing?.ModifyIndex)) return { ok: true, applied: false };
  const { entry } = command;
  const proposal = { kind: entry.Kind, name: entry.Name, entry };
  const broken = unknownProvider(tables, entry) ?? chainProblem(tables, proposal) ?? gatewayProblem(tables, proposal);
  if (broken !== undefined) return broken;
  const record = upserted<ConfigEntry>(existing, normalised(command.entry), changes.index);
  if (record !== undefined) tables.configEntries.put(changes, record);
  claimVirtualAddress(tables, changes, command.entry);
  return { ok: true, applied: true };
}

/** Deletes one config entry; one that is not there is gone already. */
export function deleteConfigEntry(tables: Tables, changes: ChangeSet, command: ConfigEntryDelete): CommandResult {
  const existing = tables.configEntries.get(command.kind, command.name);
  if (!isExpected(command.expectedIndex, existing?.ModifyIndex)) return { ok: true, applied: false };
  if (existing === undefined) return { ok: true, applied: true };
  const proposal = { kind: existing.Kind, name: existing.Name };
  const broken = providerInUse(tables, existing) ?? chainProblem(tables, proposal) ?? gatewayProblem(tables, proposal);
  if (broken !== undefined) return broken;
  tables.configEntries.remove(changes, existing);
  unclaimVirtualAddress(tables, changes, existing);
  return { ok: true, applied: true };
}

function isExpected(expectedIndex: number | undefined, actualIndex: number | undefined): boolean {
  return expectedIndex === undefined || expectedIndex === (actualIndex ?? 0);
}

function entryProblem(entry: ConfigEntry): Refusal | undefined {
  const badName = nameProblem("Name", entry.Name);
  if (badName !== undefined) return badName;
  if ("Fields" in entry) return undefined;
  switch (entry.Kind) {
    case "mesh":
      return onlyName(entry.Name, meshName);
    case "proxy-defaults":
      return onlyName(entry.Name, proxyDefaultsName);
    case "jwt-provider":
    case "service-defaults":
    case "service-resolver":
    case "service-router":
    case "service-splitter":
      return undefined;
    case "service-intentions":
      return wildcardProblem("Name", entry.Name) ?? sourcesProblem(entry.Sources);
  }
}

/** A token of nobody could never be shown. */
function unknownProvider(tables: Tables, entry: ConfigEntry): Refusal | undefined {
  if (entry.Kind !== "service-intentions") return undefined;
  const missing = providersOf(entry).find((name) => tables.configEntries.get("jwt-provider", name) === undefined);
  if (missing === undefined) return undefined;
  return refuse("INVALID_ARGUMENT", `JWT provider "${missing}" does not exist: write its jwt-provider entry first`);
}

function providerInUse(tables: Tables, { Kind, Name }: ConfigEntry): Refusal | undefined {
  if (Kind !== "jwt-provider") return undefined;
  const users = [...tables.configEntries.ofKind("service-intentions")].flatMap((entry) =>
    entry.Kind === "service-intentions" && providersOf(entry).includes(Name) ? [entry.Name] : [],
  );
  // Sorted, so that every server refuses with the same words.
  const [first] = users.sort(compareText);
  if (first === undefined) return undefined;
  const message = `cannot delete jwt-provider "${Name}": the service-intentions of "${first}" require its tokens`;
  return refuse("INVALID_ARGUMENT", message);
}

function onlyName(name: string, only: string): Refusal | undefined {
  if (name === only) return undefined;
  return refuse("INVALID_ARGUMENT", `invalid name ("${name}"), only "${only}" is supported`);
}

function sourcesProblem(sources: readonly SourceIntention[]): Refusal | undefined {
  if (sources.length === 0) return refuse("INVALID_ARGUMENT", "At least one source is required");
  const seen = new Set<string>();
  for (const [i, source] of sources.entries()) {
    const field = `Sources[${i}].Name`;
    const problem = nameProblem(field, source.Name) ?? wildcardProblem(field, source.Name);
    if (problem !== undefined) return problem;
    if (seen.has(source.Name)) {
      return refuse("INVALID_ARGUMENT", `Sources[${i}] defines "${source.Name}" more than once`);
    }
    seen.add(source.Name);
  }
  return undefined;
}

function wildcardProblem(field: string, name: string): Refusal | undefined {
  if (name === wildcard || !name.includes(wildcard)) return undefined;
  return refuse("INVALID_ARGUMENT", `${field}: wildcard character '*' cannot be used with partial values: "${name}"`);
}

/** Precedence is ours to compute, and the order of sources is the order in which they are tried. */
function normalised(entry: ConfigEntry): ConfigEntry {
  if (entry.Kind !== "service-intentions") return entry;
  return { ...entry, Sources: sortedSources(entry) };
}

function sortedSources(entry: ServiceIntentionsEntry): readonly SourceIntention[] {
  return entry.Sources.map((source) => ({ ...source, Precedence: intentionPrecedence(source.Name, entry.Name) })).sort(
    (a, b) => b.Precedence - a.Precedence || compareText(a.Name, b.Name),
  );
}
