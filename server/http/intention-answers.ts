import type { ConfigEntryRecord, SourceIntention } from "../../lib/contract/config-entries.ts";
import type { Intention } from "../../lib/contract/intentions.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { permissionAnswer } from "./permission-answer.ts";

/** An intention with the config entry that holds it, which has the indexes and the Meta. */
export interface StoredIntention {
  readonly intention: Intention;
  readonly entry: ConfigEntryRecord | undefined;
}

/**
 * Adds to each intention the entry that holds it. The answer is remembered by the read's value, so that all watchers of
 * one list are given the same object and share its bytes.
 */
export function storedIntentions(
  reader: StateReader,
  read: Read<readonly Intention[]>,
): Read<readonly StoredIntention[]> {
  const known = joined.get(read.value);
  const value =
    known ??
    read.value.map((intention) => ({
      intention,
      entry: reader.configEntry("service-intentions", intention.destinationName).value,
    }));
  if (known === undefined) joined.set(read.value, value);
  return { ...read, value };
}

const joined = new WeakMap<readonly Intention[], readonly StoredIntention[]>();

/** Consul's JSON of an intention; those kept in config entries have no ID and no times. */
export function intentionAnswer({ intention, entry }: StoredIntention): object {
  return {
    ...unlessEmpty("ID", intention.legacyId),
    ...unlessEmpty("Description", intention.description),
    SourceNS: "default",
    SourceName: intention.sourceName,
    DestinationNS: "default",
    DestinationName: intention.destinationName,
    SourceType: "consul",
    ...(intention.permissions === undefined
      ? { Action: intention.action }
      : { Permissions: intention.permissions.map(permissionAnswer) }),
    ...unlessEmpty("Meta", entry?.Meta),
    Precedence: intention.precedence,
    CreateIndex: entry?.CreateIndex ?? 0,
    ModifyIndex: entry?.ModifyIndex ?? 0,
  };
}

/** The rule for `source` in an entry of intentions. */
export function findSource(entry: ConfigEntryRecord | undefined, source: string): SourceIntention | undefined {
  if (entry?.Kind !== "service-intentions") return undefined;
  return entry.Sources.find((candidate) => candidate.Name === source);
}
